import { lstat, mkdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { Code } from "@connectrpc/connect";
import { isOwnFolder, LOGINS_SUFFIX } from "../../bus/local-login-node.ts";
import { fault } from "../../rpc/error.ts";

/** The files of one deployment there. */
export function stateFiles(
  folder: string,
  name: string,
): { readonly record: string; readonly socket: string; readonly logins: string; readonly nodes: string } {
  const file = (suffix: string) => join(folder, `${name}${suffix}`);
  return { record: file(".json"), socket: file(".sock"), logins: file(LOGINS_SUFFIX), nodes: file(".nodes") };
}

/**
 * Makes the folder, which nobody else may look into: whoever reaches a socket in it can stop what runs.
 *
 * @throws {ConnectError} `permission_denied` when somebody else has made it, or can read it; `failed_precondition` when it
 * cannot be made
 */
export async function ensureStateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause) => {
    const text = `Cannot list deployments in "${folder}": ${cause.message}; XDG_RUNTIME_DIR must name a folder to write to`;
    throw fault(text, Code.FailedPrecondition, {}, cause);
  });
  if (isOwnFolder(folder)) return;
  const { mode, uid } = await lstat(folder);
  const own = process.getuid?.() ?? uid;
  const isFolder = (mode & 0o170000) === 0o040000;
  const seen = `${isFolder ? "a folder" : "no folder"} of user ${uid} with mode ${(mode & 0o777).toString(8)}`;
  const text = `Cannot list deployments in "${folder}": it must be a folder of user ${own} with mode 700, got ${seen}`;
  throw fault(text, Code.PermissionDenied);
}
