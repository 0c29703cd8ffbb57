import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** The command that runs a TypeScript file with the runtime that runs this one. */
export function commandFor(file: URL): [command: string, ...args: string[]] {
  const path = fileURLToPath(file);
  if ("Deno" in globalThis) return [process.execPath, "run", "-A", "--no-check", `--config=${root}deno.json`, path];
  return [process.execPath, path];
}
