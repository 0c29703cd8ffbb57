/** Calls the echo operators: `direct`, `queue-memory`, `queue-file`. */
import process from "node:process";
import { connect, Tensor } from "../../mod.ts";
import { measure } from "../lib/measure.ts";
import { serveLoads } from "../lib/program.ts";

const [url = ""] = process.argv.slice(2);
const wb = await connect(url, { namespace: "bench" });
const handles = {
  direct: wb.operator("echo", { mode: "direct", inline: true }),
  "queue-memory": wb.operator("echo", { inline: true }),
  "queue-file": wb.operator("echo-file", { inline: true }),
};
await serveLoads((load) => {
  const x = Tensor.from(new Uint8Array(load.payloadBytes));
  const handle = handles[load.target as keyof typeof handles];
  return measure(load, () => handle.infer({ x }));
});
