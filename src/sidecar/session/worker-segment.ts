import { invalidArgument } from "../../tensor/errors.ts";
import type { MemoryBlock, MemoryLocation } from "../../data/memory.ts";
import type { Memory } from "../../waybill/descriptor.ts";
import type { NodeSegment } from "../segments.ts";

/**
 * A part of a worker's own segment: **offered** until the store has taken the tensor in it, then **kept** until the store frees it, of
 * which the worker is told. One that the store did not take stays the worker's.
 */
export class WorkerBlock implements MemoryBlock {
  readonly bytes: Uint8Array;
  readonly byteLength: number;
  readonly memory: Memory = "cpu";
  readonly device = 0;
  readonly location: MemoryLocation;
  /** Whose it is. */
  readonly owner: WorkerSegment;
  #kept = false;
  #freed = false;

  /** Made by {@linkcode WorkerSegment.block}. */
  constructor(owner: WorkerSegment, location: MemoryLocation, bytes: Uint8Array) {
    this.owner = owner;
    this.location = location;
    this.bytes = bytes;
    this.byteLength = bytes.length;
  }

  /** The store has taken it. */
  keep(): void {
    this.#kept = true;
    // Its lease may have been shorter than it took to sign.
    if (this.#freed) this.owner.told(this);
  }

  free(): void {
    this.#freed = true;
    this.owner.freed(this);
    if (this.#kept) this.owner.told(this);
  }
}

/** Who follows a worker's segment. */
export interface WorkerSegmentHost {
  /** A block may be used again by the worker. */
  readonly freed: (location: MemoryLocation, byteLength: number) => void;
  /** A reference to a lease on one of its blocks has expired. */
  readonly expired: (reference: Uint8Array) => void;
  /** The worker is gone, and so is the last block. */
  readonly emptied: (segment: WorkerSegment) => void;
}

/**
 * A segment that one worker writes to: **open** while its session lasts, then **left** until no tensor in it is held any more. A worker
 * that dies leaves its tensors to those who have leases on them.
 */
export class WorkerSegment {
  readonly segment: NodeSegment;
  readonly #host: WorkerSegmentHost;
  /** By their offsets: a place holds one tensor at a time. */
  readonly #blocks = new Map<number, WorkerBlock>();
  #left = false;

  constructor(segment: NodeSegment, host: WorkerSegmentHost) {
    this.segment = segment;
    this.#host = host;
  }

  /** Blocks that hold tensors. */
  get blocks(): number {
    return this.#blocks.size;
  }

  /**
   * A part of it, for a tensor.
   *
   * @throws {ConnectError} `invalid_argument` for one that is not in it, or begins where another is
   */
  block(offset: number, byteLength: number, generation: bigint): WorkerBlock {
    const { name, bytes } = this.segment;
    const end = offset + byteLength;
    if (!Number.isSafeInteger(end) || end > bytes.length) {
      const seen = `offset ${offset} and ${byteLength} bytes`;
      throw invalidArgument(`Cannot put a tensor: it must lie within the ${bytes.length} bytes of its segment, got ${seen}`);
    }
    if (this.#blocks.has(offset)) {
      throw invalidArgument(`Cannot put a tensor: each place in a segment holds one, got offset ${offset} for a second`);
    }
    const block = new WorkerBlock(this, { segment: name, offset, generation }, bytes.subarray(offset, end));
    this.#blocks.set(offset, block);
    return block;
  }

  /** A block's tensor is gone, or never came. */
  freed(block: WorkerBlock): void {
    const { offset } = block.location;
    if (this.#blocks.get(offset) === block) this.#blocks.delete(offset);
    if (this.#left && this.#blocks.size === 0) this.#host.emptied(this);
  }

  /** A block is the worker's again. */
  told({ location, byteLength }: WorkerBlock): void {
    if (!this.#left) this.#host.freed(location, byteLength);
  }

  /** A lease on a block has expired. */
  expired(reference: Uint8Array): void {
    if (!this.#left) this.#host.expired(reference);
  }

  /** Its worker is gone. */
  leave(): void {
    this.#left = true;
    if (this.#blocks.size === 0) this.#host.emptied(this);
  }
}
