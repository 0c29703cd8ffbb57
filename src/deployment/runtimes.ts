import { access, constants } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import type { WorkerRuntime } from "./definition.ts";

/** The runtime of this process. */
export function ownRuntime(): WorkerRuntime {
  const { bun, deno } = process.versions as Record<string, string | undefined>;
  return bun !== undefined ? "bun" : deno !== undefined ? "deno" : "node";
}

/** Arguments that make a runtime run a file. Workers open sockets, read files and start threads: Deno gives them all permissions. */
const runArguments: Readonly<Record<WorkerRuntime, readonly string[]>> = {
  bun: [],
  deno: ["run", "-A", "--no-prompt"],
  node: [],
};

async function firstExecutable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (await access(path, constants.X_OK).then(() => true, () => false)) return path;
  }
  return undefined;
}

/** `node_modules/.bin` of a folder and of all above it, the nearest first. */
function localBins(folder: string): string[] {
  const above = dirname(folder);
  return [join(folder, "node_modules", ".bin"), ...(above === folder ? [] : localBins(above))];
}

/**
 * The command that runs a file with a runtime, without the file: this process's own program where it is that runtime, else the
 * project's (`node_modules/.bin` from `folder` upwards), else the one in `PATH`. `undefined` where there is none.
 */
export async function runtimeCommand(runtime: WorkerRuntime, folder: string): Promise<readonly string[] | undefined> {
  if (runtime === ownRuntime()) return [process.execPath, ...runArguments[runtime]];
  const folders = [...localBins(folder), ...(process.env.PATH ?? "").split(delimiter).filter((entry) => entry !== "")];
  const path = await firstExecutable(folders.map((entry) => join(entry, runtime)));
  return path === undefined ? undefined : [path, ...runArguments[runtime]];
}
