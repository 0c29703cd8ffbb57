import { Code, ConnectError } from "@connectrpc/connect";
import type { SharedMemory } from "./host.ts";

/**
 * Stands in browsers' bundles for what needs files.
 *
 * @throws {ConnectError} `unimplemented`
 */
export function systemSharedMemory(): SharedMemory & AsyncDisposable {
  throw new ConnectError("Cannot share memory: it needs Node, Bun or Deno", Code.Unimplemented);
}
