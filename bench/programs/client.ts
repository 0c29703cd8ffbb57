/** Calls the echo operators: `direct`, `queue-memory`, `queue-file`; `queue-<name>` is any other operator. */
import process from "node:process";
import { connect, Tensor } from "../../mod.ts";
import { wallMs } from "../lib/clock.ts";
import { measure } from "../lib/measure.ts";
import { serveLoads } from "../lib/program.ts";

const [url = ""] = process.argv.slice(2);
const wb = await connect(url, { namespace: "bench" });
const handles = new Map([
  ["direct", wb.operator("echo", { mode: "direct", inline: true })],
  ["queue-memory", wb.operator("echo", { inline: true })],
  ["queue-file", wb.operator("echo-file", { inline: true })],
]);
await serveLoads(async (load) => {
  const x = Tensor.from(new Uint8Array(load.payloadBytes));
  const handle = handles.get(load.target) ?? wb.operator(load.target.slice("queue-".length), { inline: true });
  const sentAt: number[] = [];
  const call = () => {
    if (load.journal) sentAt.push(wallMs());
    return handle.infer({ x });
  };
  return { ...await measure(load, call), ...(load.journal ? { sentAt } : {}) };
});
