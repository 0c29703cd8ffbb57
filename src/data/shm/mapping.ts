/**
 * Shared memory of this host, mapped into the process.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";

/** What to map. */
export interface MappingRequest {
  /** A file in /dev/shm, or `/proc/<pid>/fd/<n>` of a memfd. */
  readonly path: string;
  /** Bytes of it, from its beginning. */
  readonly byteLength: number;
  /** Whether it may be written to. Otherwise the file is opened for reading only, so that nothing in this process can change that. */
  readonly writable: boolean;
}

/** A part of the address space that shows a file. */
export interface Mapping {
  /** Bytes that it shows. */
  readonly byteLength: number;
  /**
   * A part of it. In Bun and Deno each view has an `ArrayBuffer` of its own, which shows nothing else: one that is transferred, which
   * both permit, takes no other view along. Node refuses that, and views share one buffer. A view keeps the mapping.
   */
  view(offset: number, length: number): Uint8Array<ArrayBuffer>;
  /** Takes it away once no view is left. Safe to call twice. */
  close(): void;
}

/** Maps files. */
export type MapFile = (request: MappingRequest) => Mapping;

/**
 * What maps files in this runtime: the addon in Node, FFI to `mmap` in Bun and Deno.
 *
 * @throws {ConnectError} `unimplemented` where the runtime or a permission does not allow it, and where the addon is missing
 */
export async function loadMapper(): Promise<MapFile> {
  if ("Bun" in globalThis) return (await import("./map-bun.ts")).mapperBun();
  if ("Deno" in globalThis) return (await import("./map-deno.ts")).mapperDeno();
  if ("process" in globalThis) return (await import("./map-node.ts")).mapperNode();
  throw new ConnectError("Cannot map shared memory: it needs Node, Bun or Deno", Code.Unimplemented);
}

/**
 * Why a file could not be mapped.
 *
 * @param step what failed, such as `open`
 * @param reason the system's number or name for it
 */
export function mappingFailed({ path, writable }: MappingRequest, step: string, reason: number | string): ConnectError {
  const how = writable ? "for writing" : "for reading";
  const text = `Cannot map "${path}" ${how}: ${step} must succeed, got error ${reason}`;
  return new ConnectError(text, NOT_PERMITTED.has(reason) ? Code.PermissionDenied : Code.Unavailable);
}

const NOT_PERMITTED: ReadonlySet<number | string> = new Set([1, "EPERM", 13, "EACCES"]);
