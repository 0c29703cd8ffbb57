/** One worker whose operator `stuck` never ends at its first attempt, and tells at the next one when that began. */
import process from "node:process";
import { operator, startWorker } from "../../src/worker/mod.ts";
import { wallMs } from "../lib/clock.ts";
import { serveRequests } from "../lib/program.ts";

const [url = "", ackWaitMs = "5000", slots = "16"] = process.argv.slice(2);
let taken = 0;
const stuck = operator({
  name: "stuck",
  maxInflight: Number(slots),
  ackWaitMs: Number(ackWaitMs),
  outputs: { startedAtMs: { dtype: "FP64", shape: [1] } },
  execute: async (_, context) => {
    const startedAtMs = wallMs();
    taken++;
    if (context.attempt === 1) {
      await new Promise((_resolve, reject) => context.signal.addEventListener("abort", () => reject(context.signal.reason)));
    }
    return { startedAtMs: Float64Array.of(startedAtMs) };
  },
});
await startWorker({ servers: url, namespace: "bench", operators: [stuck] });
await serveRequests(() => ({ taken }));
