import { Code, ConnectError } from "@connectrpc/connect";
import { loadNative, type NativeAddon } from "../../native/mod.ts";
import { type MapFile, type Mapping, mappingFailed, type MappingRequest } from "./mapping.ts";

/** Maps by the addon: Node has no FFI of its own. */
export function mapperNode(): MapFile {
  const { addon, unavailable } = loadNative();
  if (addon === undefined) {
    throw new ConnectError(`Cannot map shared memory: ${unavailable}`, Code.Unimplemented);
  }
  return (request) => map(addon, request);
}

function map(addon: NativeAddon, request: MappingRequest): Mapping {
  const { path, byteLength, writable } = request;
  const step = <T>(name: string, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw mappingFailed(request, name, (error as { code?: string }).code ?? String(error));
    }
  };
  const { fd } = step("open", () => addon.openSegment(path, writable));
  let buffer: ArrayBuffer | undefined;
  try {
    buffer = step("mmap", () => addon.mapSegment(fd, byteLength, writable));
  } finally {
    addon.closeSegment(fd);
  }
  return {
    byteLength,
    view(offset, length) {
      if (length === 0 || buffer === undefined) return new Uint8Array(0);
      return new Uint8Array(buffer, offset, length);
    },
    // The pages go when the buffer is collected, which every view keeps.
    close: () => void (buffer = undefined),
  };
}
