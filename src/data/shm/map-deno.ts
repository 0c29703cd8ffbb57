import { Code, ConnectError } from "@connectrpc/connect";
import { type MapFile, type Mapping, mappingFailed, type MappingRequest } from "./mapping.ts";
import { cString, MAP_FAILED, MAP_IN_PLACE, MAP_SHARED, OPEN_READ, OPEN_WRITE, PROTECT_READ, PROTECT_WRITE } from "./posix.ts";
import { Views } from "./views.ts";

/** An address, opaque. */
type Pointer = object | null;

/** The part of the C library that is used here. */
interface Libc {
  open(path: Uint8Array, flags: number, mode: number): number;
  mmap(address: Pointer, length: bigint, protection: number, flags: number, fd: number, offset: bigint): Pointer;
  close(fd: number): number;
  __errno_location(): Pointer;
}

/** The part of `Deno` that is used here. */
interface DenoFfi {
  dlopen(name: string, symbols: Record<string, { parameters: string[]; result: string }>): { symbols: Libc };
  UnsafePointer: { create(value: bigint): Pointer; value(pointer: Pointer): bigint };
  UnsafePointerView: {
    getArrayBuffer(pointer: Pointer, length: number): ArrayBuffer;
    new (pointer: Pointer): { getInt32(): number };
  };
}

/** Maps by FFI, which needs `--allow-ffi`. */
export function mapperDeno(): MapFile {
  const { Deno } = globalThis as unknown as { Deno: DenoFfi };
  let libc: Libc;
  try {
    libc = Deno.dlopen("libc.so.6", {
      open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
      mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
      close: { parameters: ["i32"], result: "i32" },
      __errno_location: { parameters: [], result: "pointer" },
    }).symbols;
  } catch (cause) {
    const text = `Cannot map shared memory: the C library must open, got: ${cause instanceof Error ? cause.message : cause}`;
    throw new ConnectError(text, Code.Unimplemented, undefined, undefined, cause);
  }
  return (request) => map(Deno, libc, request);
}

function map({ UnsafePointer, UnsafePointerView }: DenoFfi, libc: Libc, request: MappingRequest): Mapping {
  const { path, byteLength, writable } = request;
  const failed = (step: string) => mappingFailed(request, step, new UnsafePointerView(libc.__errno_location()).getInt32());
  const fd = libc.open(cString(path), writable ? OPEN_WRITE : OPEN_READ, 0);
  if (fd < 0) throw failed("open");
  let address: Pointer;
  try {
    address = libc.mmap(null, BigInt(byteLength), writable ? PROTECT_WRITE : PROTECT_READ, MAP_SHARED, fd, 0n);
    if (UnsafePointer.value(address) === MAP_FAILED) throw failed("mmap");
  } finally {
    libc.close(fd);
  }
  const start = UnsafePointer.value(address);
  // Its pages go, its addresses stay: what was transferred to another thread is no view that can be counted.
  const views = new Views(() => void libc.mmap(address, BigInt(byteLength), PROTECT_READ, MAP_IN_PLACE, -1, 0n));
  const buffer = (offset: number, length: number) =>
    UnsafePointerView.getArrayBuffer(UnsafePointer.create(start + BigInt(offset)), length);
  return {
    byteLength,
    view: (offset, length) => length === 0 ? new Uint8Array(0) : views.keep(buffer(offset, length)),
    close: () => views.close(),
  };
}
