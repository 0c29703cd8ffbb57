import process from "node:process";
import { fileURLToPath } from "node:url";
import type { WorkerRuntime } from "../../../src/deployment/mod.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** The runtime that runs this process. */
export const ownRuntime: WorkerRuntime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

/** The command that runs a TypeScript file of this repository: with this process's own program, or with a pinned runtime. */
export function commandFor(file: URL, runtime: WorkerRuntime = ownRuntime): string[] {
  const program = runtime === ownRuntime ? process.execPath : `${root}node_modules/.bin/${runtime}`;
  const args = runtime === "deno" ? ["run", "-A", "--no-check", `--config=${root}deno.json`] : [];
  return [program, ...args, fileURLToPath(file)];
}
