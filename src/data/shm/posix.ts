/** Numbers of the C library on Linux, the same on x86-64 and arm64. */

/** `O_RDONLY | O_CLOEXEC`. */
export const OPEN_READ: number = 0o2000000;
/** `O_RDWR | O_CLOEXEC`. */
export const OPEN_WRITE: number = 0o2000002;
/** `PROT_READ`. */
export const PROTECT_READ: number = 1;
/** `PROT_READ | PROT_WRITE`. */
export const PROTECT_WRITE: number = 3;
/** `MAP_SHARED`. */
export const MAP_SHARED: number = 1;
/** `MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE`: what takes a mapping's place. */
export const MAP_IN_PLACE: number = 0x4032;
/** What `mmap` gives when it fails, as an unsigned number of 64 bits. */
export const MAP_FAILED: bigint = 0xffff_ffff_ffff_ffffn;

/** A path as C reads it. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}
