/** Serves the echo operators that the request plane is measured with. */
import process from "node:process";
import { operator, startWorker } from "../../src/worker/mod.ts";

const [url = "", inflight = "64"] = process.argv.slice(2);
const echo = (name: string, storage: "memory" | "file") =>
  operator({
    name,
    storage,
    maxInflight: Number(inflight),
    inline: true,
    inputs: { x: { dtype: "UINT8", shape: [-1] } },
    outputs: { y: { dtype: "UINT8", shape: [-1] } },
    execute: ({ inputs: { x } }) => ({ y: x }),
  });
await startWorker({ servers: url, namespace: "bench", operators: [echo("echo", "memory"), echo("echo-file", "file")] });
process.stdout.write('{"ready":true}\n');
process.stdin.on("end", () => process.exit(0)).resume();
