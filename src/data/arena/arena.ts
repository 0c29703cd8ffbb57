import { Code, ConnectError } from "@connectrpc/connect";
import type { Memory } from "../../waybill/descriptor.ts";
import type { AllocateOptions, MemoryBlock, MemoryUsage, TensorMemory } from "../memory.ts";
import { Allocator, rangeFor } from "./allocator.ts";

/** A stretch of memory with a name that others know it by. */
export interface Segment {
  /** What those who map it call it; `undefined` where nobody can. */
  readonly name?: string;
  /** All of it. */
  readonly bytes: Uint8Array;
}

/** How to make an {@linkcode Arena}. */
export interface ArenaOptions {
  /** What its segments are made of. Default `"cpu"`. */
  readonly memory?: Exclude<Memory, "gpu">;
  /**
   * Asked for one more segment when no other has room; it must hold at least so many bytes, or be `undefined`. Default: never, so that
   * the segments that were added are all there is.
   */
  readonly grow?: (byteLength: number) => Segment | undefined;
}

interface Part {
  readonly segment: Segment;
  readonly allocator: Allocator;
}

/** Memory for tensors in a few large segments. */
export class Arena implements TensorMemory {
  readonly #memory: Memory;
  readonly #grow: (byteLength: number) => Segment | undefined;
  readonly #parts: Part[] = [];

  constructor(options: ArenaOptions = {}) {
    this.#memory = options.memory ?? "cpu";
    this.#grow = options.grow ?? (() => undefined);
  }

  /** Adds a segment; blocks are taken from the one that was added first and has room. */
  add(segment: Segment): void {
    this.#parts.push({ segment, allocator: new Allocator(segment.bytes.length) });
  }

  /** Takes a segment out in which no block is left; whether it was there and is gone now. */
  remove(segment: Segment): boolean {
    const at = this.#parts.findIndex((part) => part.segment === segment && part.allocator.usage().blocks === 0);
    if (at >= 0) this.#parts.splice(at, 1);
    return at >= 0;
  }

  /** Its segments, in the order in which they were added. */
  get segments(): readonly Segment[] {
    return this.#parts.map(({ segment }) => segment);
  }

  allocate(byteLength: number, options: AllocateOptions = {}): MemoryBlock | undefined {
    const { memory = this.#memory } = options;
    if (memory !== this.#memory) {
      const text = `Cannot allocate memory: this arena is of kind "${this.#memory}", got "${memory}"`;
      throw new ConnectError(text, Code.FailedPrecondition);
    }
    for (const part of this.#parts) {
      const block = this.#blockIn(part, byteLength);
      if (block !== undefined) return block;
    }
    const wanted = rangeFor(byteLength);
    const more = this.#grow(wanted);
    // One that is too small would be no use, and each try would make another.
    if (more === undefined || more.bytes.length < wanted) return undefined;
    this.add(more);
    return this.#blockIn(this.#parts.at(-1)!, byteLength);
  }

  usage(): MemoryUsage {
    const usages = this.#parts.map(({ allocator }) => allocator.usage());
    const sum = (value: (usage: MemoryUsage) => number) => usages.reduce((total, usage) => total + value(usage), 0);
    const capacityBytes = sum((usage) => usage.capacityBytes);
    const usedBytes = sum((usage) => usage.usedBytes);
    const largestFreeBytes = Math.max(0, ...usages.map((usage) => usage.largestFreeBytes));
    const fragmentation = capacityBytes === usedBytes ? 0 : 1 - largestFreeBytes / (capacityBytes - usedBytes);
    return { capacityBytes, usedBytes, largestFreeBytes, blocks: sum((usage) => usage.blocks), fragmentation };
  }

  #blockIn({ segment, allocator }: Part, byteLength: number): MemoryBlock | undefined {
    const allocation = allocator.allocate(byteLength);
    if (allocation === undefined) return undefined;
    const { offset, generation } = allocation;
    return {
      bytes: segment.bytes.subarray(offset, offset + byteLength),
      byteLength,
      memory: this.#memory,
      device: 0,
      location: segment.name === undefined ? undefined : { segment: segment.name, offset, generation },
      free: () => allocator.free(allocation),
    };
  }
}
