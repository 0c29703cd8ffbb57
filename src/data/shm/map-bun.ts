import { Code, ConnectError } from "@connectrpc/connect";
import { type MapFile, type Mapping, mappingFailed, type MappingRequest } from "./mapping.ts";
import { cString, MAP_FAILED, MAP_IN_PLACE, MAP_SHARED, OPEN_READ, OPEN_WRITE, PROTECT_READ, PROTECT_WRITE } from "./posix.ts";
import { Views } from "./views.ts";

/** The part of the C library that is used here. */
interface Libc {
  open(path: Uint8Array, flags: number, mode: number): number;
  mmap(address: number | null, length: number, protection: number, flags: number, fd: number, offset: number): number | bigint;
  close(fd: number): number;
  __errno_location(): number;
}

/** The part of `bun:ffi` that is used here. */
interface BunFfi {
  dlopen(name: string, symbols: Record<string, { args: string[]; returns: string }>): { symbols: Libc };
  toArrayBuffer(pointer: number, offset: number, length: number): ArrayBuffer;
  read: { i32(pointer: number, offset: number): number };
}

/** Maps by FFI: `Bun.mmap` cannot map read-only. */
export async function mapperBun(): Promise<MapFile> {
  const name = "bun:ffi";
  const ffi: BunFfi = await import(name);
  let libc: Libc;
  try {
    libc = ffi.dlopen("libc.so.6", {
      open: { args: ["ptr", "i32", "i32"], returns: "i32" },
      mmap: { args: ["ptr", "u64", "i32", "i32", "i32", "i64"], returns: "ptr" },
      close: { args: ["i32"], returns: "i32" },
      __errno_location: { args: [], returns: "ptr" },
    }).symbols;
  } catch (cause) {
    const text = `Cannot map shared memory: the C library must open, got: ${cause instanceof Error ? cause.message : cause}`;
    throw new ConnectError(text, Code.Unimplemented, undefined, undefined, cause);
  }
  return (request) => map(ffi, libc, request);
}

function map({ toArrayBuffer, read }: BunFfi, libc: Libc, request: MappingRequest): Mapping {
  const { path, byteLength, writable } = request;
  const failed = (step: string) => mappingFailed(request, step, read.i32(libc.__errno_location(), 0));
  const fd = libc.open(cString(path), writable ? OPEN_WRITE : OPEN_READ, 0);
  if (fd < 0) throw failed("open");
  let address: number | bigint;
  try {
    address = libc.mmap(null, byteLength, writable ? PROTECT_WRITE : PROTECT_READ, MAP_SHARED, fd, 0);
    if (address === MAP_FAILED) throw failed("mmap");
  } finally {
    libc.close(fd);
  }
  const start = Number(address);
  // Its pages go, its addresses stay: what was transferred to another thread is no view that can be counted.
  const views = new Views(() => void libc.mmap(start, byteLength, PROTECT_READ, MAP_IN_PLACE, -1, 0));
  return {
    byteLength,
    view: (offset, length) => length === 0 ? new Uint8Array(0) : views.keep(toArrayBuffer(start, offset, length)),
    close: () => views.close(),
  };
}
