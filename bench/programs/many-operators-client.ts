/** Calls operators in turns. */
import process from "node:process";
import { connect, Tensor } from "../../mod.ts";
import { measure } from "../lib/measure.ts";
import { serveLoads } from "../lib/program.ts";

const [url = "", count = "1000"] = process.argv.slice(2);
const wb = await connect(url, { namespace: "bench" });
const handles = Array.from({ length: Number(count) }, (_, index) => wb.operator(`op-${index}`, { inline: true }));
let next = 0;
// `first`: each operator once, as a client does that has not seen them before. Else `all` of them, or the `one`.
await serveLoads(async (load) => {
  const x = Tensor.from(new Uint8Array(load.payloadBytes));
  const of = load.target === "one" ? handles.slice(0, 1) : handles;
  const call = () => of[next++ % of.length]!.infer({ x });
  if (load.target !== "first") return await measure(load, call);
  const startedAt = performance.now();
  let index = 0;
  await Promise.all(Array.from({ length: load.inflight }, async () => {
    while (index < handles.length) await handles[index++]!.infer({ x });
  }));
  const seconds = (performance.now() - startedAt) / 1000;
  return { perSecond: handles.length / seconds, p50Us: NaN, p99Us: NaN, requests: handles.length, startedAtMs: 0 };
});
