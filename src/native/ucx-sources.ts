/**
 * UCX libraries that are on the machine already.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import type { Environment } from "../obtain/cache.ts";

const run = promisify(execFile);

/** The library that the others are found beside. */
export const ucxLibraryName = "libucp.so.0";

/** Where vendors put theirs: NVIDIA's containers, HPC-X, builds of one's own. */
const vendorFolders = ["/usr/local/ucx/lib", "/opt/hpcx/ucx/lib", "/opt/ucx/lib", "/opt/mellanox/ucx/lib"];

async function readable(paths: readonly string[]): Promise<string[]> {
  const there = await Promise.all(paths.map((path) => access(path, constants.R_OK).then(() => true, () => false)));
  return paths.filter((_, index) => there[index]);
}

/** Those of vendors, and of `LD_LIBRARY_PATH`. */
export async function vendorLibraries(env: Environment): Promise<string[]> {
  const folders = [...(env.LD_LIBRARY_PATH ?? "").split(delimiter).filter((folder) => folder !== ""), ...vendorFolders];
  return await readable(folders.map((folder) => join(folder, ucxLibraryName)));
}

/** Those that the system's loader knows. */
export async function systemLibraries(): Promise<string[]> {
  for (const ldconfig of ["/sbin/ldconfig", "ldconfig"]) {
    const listed = await run(ldconfig, ["-p"], { timeout: 10_000, maxBuffer: 16 << 20 }).then(({ stdout }) => stdout, () => "");
    const lines = listed.split("\n").filter((line) => line.trim().startsWith(`${ucxLibraryName} `));
    if (lines.length > 0) return await readable(lines.map((line) => line.split(" => ")[1] ?? ""));
  }
  return [];
}
