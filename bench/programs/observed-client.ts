/** Calls an operator through a client that is watched as it is told. */
import process from "node:process";
import { connect, Tensor } from "../../mod.ts";
import { clientMetrics } from "../../src/telemetry/metrics/client-metrics.ts";
import { openTelemetry } from "../../src/telemetry/tracing.ts";
import { measure } from "../lib/measure.ts";
import { serveLoads } from "../lib/program.ts";
import { type Observation, startSdk } from "./observation.ts";

const [url = "", observation = "off"] = process.argv.slice(2) as [string?, Observation?];
startSdk(observation);
const wb = await connect(url, {
  namespace: `bench-${observation}`,
  ...(observation === "off" ? {} : { metrics: clientMetrics() }),
  ...(observation === "traced" || observation === "sampled" ? { tracing: openTelemetry() } : {}),
});
await serveLoads((load) => {
  const handle = wb.operator(load.target, { inline: true });
  const x = Tensor.from(new Uint8Array(load.payloadBytes));
  return measure(load, () => handle.infer({ x }));
});
