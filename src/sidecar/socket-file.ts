import { chmod, lstat, mkdir, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { dirname } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { isOwnFolder } from "../bus/local-login-node.ts";
import { fault } from "../rpc/error.ts";

/**
 * Makes room for a Unix socket: its folder belongs to this user and is closed to all others, and nobody listens there. What a dead
 * process left is removed.
 *
 * @throws {ConnectError} `failed_precondition` for a folder that others can use, `already_exists` where somebody listens
 */
export async function prepareSocket(path: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (!isOwnFolder(folder)) {
    const wanted = "it must belong to this user and be closed to all others (mode 0700)";
    throw new ConnectError(`Cannot listen on ${path}: the folder ${folder} is not safe, ${wanted}`, Code.FailedPrecondition);
  }
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new ConnectError(`Cannot listen on ${path}: there is a file that is no socket`, Code.FailedPrecondition);
  }
  if (await answers(path)) {
    const text = `Cannot listen on ${path}: another sidecar does; each needs a name, or a socket, of its own`;
    throw fault(text, Code.AlreadyExists, { reason: "NODE_RUNS" });
  }
  await rm(path, { force: true });
}

/** Closes a socket's file to all others, as its folder is. */
export async function closeToOthers(path: string): Promise<void> {
  await chmod(path, 0o600);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const end = (there: boolean) => {
      socket.destroy();
      resolve(there);
    };
    socket.setTimeout(1_000, () => end(true));
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}
