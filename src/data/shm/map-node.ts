import { Code, ConnectError } from "@connectrpc/connect";
import type { MapFile } from "./mapping.ts";

/** Maps by the addon, which Node needs for it. */
export function mapperNode(): Promise<MapFile> {
  return Promise.reject(new ConnectError("Cannot map shared memory: Node needs the addon, got none", Code.Unimplemented));
}
