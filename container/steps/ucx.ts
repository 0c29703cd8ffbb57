/**
 * Fetches UCX, pinned by hash, and leaves its files in a folder.
 *
 *     node container/steps/ucx.ts FOLDER
 *
 * @module
 */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { obtainUcxWheel } from "../../src/native/ucx-wheel.ts";

const [target] = process.argv.slice(2);
if (target === undefined) throw new Error("Cannot put UCX anywhere: a path must be given, got none");
const cache = await mkdtemp(join(tmpdir(), "waybill-ucx-"));
try {
  const env = { ...process.env, XDG_CACHE_HOME: cache };
  const library = await obtainUcxWheel({ env, log: (line) => console.log(line), signal: undefined });
  await cp(dirname(dirname(dirname(library))), target, { recursive: true });
} finally {
  await rm(cache, { recursive: true });
}
