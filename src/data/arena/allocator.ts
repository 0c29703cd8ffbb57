/**
 * Divides an address range into blocks. It knows offsets alone, so that the same code divides a segment in the sidecar, in a worker
 * of any runtime, and the memory of a GPU.
 *
 * @module
 */
import type { MemoryUsage } from "../memory.ts";
import { FreeRuns, PAGE_BYTES } from "./free-runs.ts";
import { cellBytes, MAX_CELL_BYTES, Slab, SLAB_BYTES } from "./slab.ts";

/** Blocks of this size and more start at a multiple of it, so that huge pages carry them. */
export const HUGE_PAGE_BYTES = 2_097_152;

/** Bytes of an empty range that has room for a block of so many. */
export function rangeFor(byteLength: number): number {
  return byteLength <= MAX_CELL_BYTES ? SLAB_BYTES : Math.ceil(byteLength / PAGE_BYTES) * PAGE_BYTES;
}

/** A block of a range. */
export interface Allocation {
  /** Where it starts: a multiple of 64, of 2 MiB from 2 MiB on. */
  readonly offset: number;
  /** Bytes that it takes, at least those that were asked for. */
  readonly length: number;
  /** Tells it from all that were or will be in its place: counts up from 1. */
  readonly generation: bigint;
}

/**
 * An allocator of one range. Small blocks (up to 16 KiB) share slabs of 64 KiB with others of their size class; larger ones get the
 * smallest free run that holds them. What is given back is merged with what is free beside it.
 */
export class Allocator {
  /** Bytes there are. */
  readonly capacityBytes: number;
  readonly #runs = new FreeRuns();
  readonly #slabs = new Map<number, Set<Slab>>();
  readonly #blocks = new Map<number, { readonly allocation: Allocation; readonly slab: Slab | undefined }>();
  #generation = 0n;
  #usedBytes = 0;

  /** @param capacityBytes the range is from 0 to this; what is no multiple of 4,096 at its end is left alone */
  constructor(capacityBytes: number) {
    this.capacityBytes = Math.floor(capacityBytes / PAGE_BYTES) * PAGE_BYTES;
    if (this.capacityBytes > 0) this.#runs.add({ offset: 0, length: this.capacityBytes });
  }

  /** Takes a block; `undefined` where no free run is long enough. A block of 0 bytes has a place of its own too. */
  allocate(byteLength: number): Allocation | undefined {
    return (byteLength <= MAX_CELL_BYTES ? this.#small(byteLength) : undefined) ?? this.#large(byteLength);
  }

  /**
   * Gives a block back.
   *
   * @throws {Error} for one that was given back already: somebody else may have its place by now
   */
  free({ offset, generation }: Allocation): void {
    const block = this.#blocks.get(offset);
    if (block === undefined || block.allocation.generation !== generation) {
      throw new Error(`Cannot free a block at ${offset}: it must be allocated, got one that was freed already`);
    }
    this.#blocks.delete(offset);
    this.#usedBytes -= block.allocation.length;
    if (block.slab === undefined) this.#runs.add(block.allocation);
    else this.#giveCell(block.slab, offset);
  }

  /** Whether a block is still what it was: the same generation in the same place. */
  holds({ offset, generation }: Pick<Allocation, "offset" | "generation">): boolean {
    return this.#blocks.get(offset)?.allocation.generation === generation;
  }

  /** How full it is. Free cells of slabs that are in use count as free bytes, and not as free runs. */
  usage(): MemoryUsage {
    const free = this.capacityBytes - this.#usedBytes;
    const largestFreeBytes = this.#runs.largest;
    return {
      capacityBytes: this.capacityBytes,
      usedBytes: this.#usedBytes,
      largestFreeBytes,
      blocks: this.#blocks.size,
      fragmentation: free === 0 ? 0 : 1 - largestFreeBytes / free,
    };
  }

  #small(byteLength: number): Allocation | undefined {
    const size = cellBytes(byteLength);
    let open = this.#slabs.get(size);
    if (open === undefined) this.#slabs.set(size, open = new Set());
    let slab = open.values().next().value;
    if (slab === undefined) {
      const offset = this.#runs.take(SLAB_BYTES, PAGE_BYTES);
      if (offset === undefined) return undefined;
      slab = new Slab(offset, size);
      open.add(slab);
    }
    const offset = slab.take();
    if (slab.full) open.delete(slab);
    return this.#note(offset, size, slab);
  }

  #large(byteLength: number): Allocation | undefined {
    const length = Math.max(1, Math.ceil(byteLength / PAGE_BYTES)) * PAGE_BYTES;
    const offset = this.#runs.take(length, byteLength >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : PAGE_BYTES);
    return offset === undefined ? undefined : this.#note(offset, length, undefined);
  }

  #note(offset: number, length: number, slab: Slab | undefined): Allocation {
    const allocation = Object.freeze({ offset, length, generation: ++this.#generation });
    this.#blocks.set(offset, { allocation, slab });
    this.#usedBytes += length;
    return allocation;
  }

  #giveCell(slab: Slab, offset: number): void {
    const open = this.#slabs.get(slab.cellBytes)!;
    slab.give(offset);
    if (!slab.empty) open.add(slab);
    else {
      open.delete(slab);
      this.#runs.add({ offset: slab.offset, length: SLAB_BYTES });
    }
  }
}
