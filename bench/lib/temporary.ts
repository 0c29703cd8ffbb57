import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Resources } from "./resources.ts";

/** A folder that goes with the bench. */
export async function temporaryFolder(resources: Resources): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "waybill-bench-"));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
