/**
 * Memory that a store keeps tensors in, when that is not the heap: arenas that other processes map, pinned memory, a GPU's.
 *
 * @module
 */
import type { Memory } from "../waybill/descriptor.ts";

/** Where a block is for those who map its segment. */
export interface MemoryLocation {
  /** The segment's name. */
  readonly segment: string;
  /** Where the block starts in it, in bytes. */
  readonly offset: number;
  /** Tells the block from all that were or will be in its place. */
  readonly generation: bigint;
}

/** Memory of one tensor, from `allocate` until `free`. */
export interface MemoryBlock {
  /** Exactly as many bytes as were asked for, to write and to read; `undefined` where the processor cannot reach them. */
  readonly bytes: Uint8Array | undefined;
  /** Bytes of the tensor; what the block takes may be more. */
  readonly byteLength: number;
  /** What kind of memory it is. */
  readonly memory: Memory;
  /** The GPU's ordinal; 0 elsewhere. */
  readonly device: number;
  /** Where it is in a segment that others map; `undefined` where nobody can. */
  readonly location?: MemoryLocation;
  /** Whether UCX leads to memory that nobody can map. Default `false`; in a segment it does, where the store offers it at all. */
  readonly overUcx?: boolean;
  /** Copies a part to the heap. Must be there where `bytes` is not. The range lies within the block. */
  read?(offset: number, length: number): Uint8Array;
  /** Copies bytes into a part. Must be there where `bytes` is not. The range lies within the block. */
  write?(offset: number, data: Uint8Array): void;
  /** Gives the memory back; it may be another's at once. Called once. */
  free(): void;
}

/** What kind of memory is wanted. */
export interface AllocateOptions {
  /** Default `"cpu"`. */
  readonly memory?: Memory;
  /** The GPU's ordinal. Default 0. */
  readonly device?: number;
}

/** How full a memory is. */
export interface MemoryUsage {
  /** Bytes that there are. */
  readonly capacityBytes: number;
  /** Bytes that blocks take, with what their sizes are rounded up by. */
  readonly usedBytes: number;
  /** The longest run that is free: no block can be larger. */
  readonly largestFreeBytes: number;
  /** Blocks that are not free. */
  readonly blocks: number;
  /** What part of the free bytes lies outside the longest run: 0 in one piece, towards 1 in crumbs. */
  readonly fragmentation: number;
}

/** Gives memory for tensors. */
export interface TensorMemory {
  /**
   * Memory for a tensor, at once; its contents are whatever was there. `undefined` where no free run is long enough: a store then
   * waits until it gave some back.
   *
   * @throws {ConnectError} `failed_precondition` where there is no memory of that kind
   */
  allocate(byteLength: number, options?: AllocateOptions): MemoryBlock | undefined;
  /** How full it is. */
  usage(): MemoryUsage;
}

/** A part of a block on the heap, as a copy: a view would show what the memory is used for next. */
export function copyOut(block: MemoryBlock, offset: number, length: number): Uint8Array {
  if (block.bytes !== undefined) return block.bytes.slice(offset, offset + length);
  if (block.read !== undefined) return block.read(offset, length);
  throw new Error("A block without bytes must have read()");
}

/** Copies bytes into a block. */
export function copyIn(block: MemoryBlock, offset: number, data: Uint8Array): void {
  if (block.bytes !== undefined) block.bytes.set(data, offset);
  else if (block.write !== undefined) block.write(offset, data);
  else throw new Error("A block without bytes must have write()");
}

/** A block on the heap, for a store without memory of its own. */
export function heapBlock(byteLength: number): MemoryBlock {
  return { bytes: new Uint8Array(byteLength), byteLength, memory: "cpu", device: 0, free() {} };
}
