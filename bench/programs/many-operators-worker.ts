/** Serves as many operators as it is told, `op-0` and so on. Tells what it uses on request. */
import process from "node:process";
import { operator, startWorker } from "../../src/worker/mod.ts";
import { serveRequests } from "../lib/program.ts";

const [url = "", count = "1000"] = process.argv.slice(2);
const operators = Array.from({ length: Number(count) }, (_, index) =>
  operator({
    name: `op-${index}`,
    maxInflight: 64,
    // The broker sets aside what a queue may hold: 64 MiB each by default.
    maxQueuedBytes: 2 ** 20,
    inputs: { x: { dtype: "UINT8", shape: [-1] } },
    outputs: { y: { dtype: "UINT8", shape: [-1] } },
    execute: ({ inputs: { x } }) => ({ y: x }),
  }));
const startedAt = performance.now();
await startWorker({ servers: url, namespace: "bench", operators, waitOnFirstConnectMs: 60_000 });
const startSeconds = (performance.now() - startedAt) / 1000;
await serveRequests(() => ({ startSeconds }));
