/** Serves `echo` and `hold-2`, watched as it is told. */
import process from "node:process";
import { operator, startWorker } from "../../src/worker/mod.ts";
import { type Observation, startSdk } from "./observation.ts";

const [url = "", observation = "off"] = process.argv.slice(2) as [string?, Observation?];
startSdk(observation);
const tensors = { inputs: { x: { dtype: "UINT8", shape: [-1] } }, outputs: { y: { dtype: "UINT8", shape: [-1] } } } as const;
const worker = await startWorker({
  servers: url,
  namespace: `bench-${observation}`,
  metrics: observation !== "off",
  metricsPort: observation === "off" ? undefined : 0,
  tracing: observation === "traced" || observation === "sampled",
  operators: [
    operator({ ...tensors, name: "echo", maxInflight: 64, execute: ({ inputs: { x } }) => ({ y: x }) }),
    operator({
      ...tensors,
      name: "hold-2",
      execute: async ({ inputs: { x } }) => {
        await new Promise((resolve) => setTimeout(resolve, 2));
        return { y: x };
      },
    }),
  ],
});
const { metricsUrl } = worker;
// As Prometheus does, though more often.
if (metricsUrl !== undefined) setInterval(() => void fetch(metricsUrl).then((page) => page.text()).catch(() => {}), 1_000);
process.stdout.write('{"ready":true}\n');
process.stdin.on("end", () => process.exit(0)).resume();
