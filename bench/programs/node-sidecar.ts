/** A sidecar: its options are its argument, as JSON. Answers with its address. */
import process from "node:process";
import { startSidecar } from "../../src/sidecar/mod.ts";
import { serveRequests } from "../lib/program.ts";

const sidecar = await startSidecar(JSON.parse(process.argv[2] ?? "{}"));
// What it leaves in /dev/shm goes with it.
process.stdin.once("end", () => void sidecar.stop({ drainMs: 0 }).then(() => process.exit(0)));
await serveRequests(() => ({ address: sidecar.address }));
