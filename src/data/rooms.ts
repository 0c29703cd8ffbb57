import { type AllocateOptions, copyIn, type MemoryBlock, type TensorMemory } from "./memory.ts";
import type { Space } from "./space.ts";

/** Space for one tensor that is taken from a store's budget, and the memory in it where the heap is not what tensors live on. */
export class Room {
  /** Bytes of the tensor. */
  readonly byteLength: number;
  /** Its memory; `undefined` on the heap. */
  readonly block: MemoryBlock | undefined;
  readonly #space: Space;

  constructor(space: Space, byteLength: number, block: MemoryBlock | undefined) {
    this.#space = space;
    this.byteLength = byteLength;
    this.block = block;
  }

  /** Copies a tensor's bytes into its memory; nothing on the heap, where the tensor itself is kept. */
  fill(bytes: Uint8Array): void {
    if (this.block !== undefined) copyIn(this.block, 0, bytes);
  }

  /** Gives all of it back. Called once. */
  give(): void {
    // First the memory, for whoever waits for the space.
    this.block?.free();
    this.#space.give(this.byteLength);
  }
}

/** How to take room. */
export interface TakeOptions extends AllocateOptions {
  /** Gives up waiting when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Room for tensors: a budget, and memory. */
export class Rooms {
  readonly #space: Space;
  readonly #memory: TensorMemory | undefined;
  readonly #waitMs: number;

  constructor(space: Space, memory: TensorMemory | undefined, waitMs: number) {
    this.#space = space;
    this.#memory = memory;
    this.#waitMs = waitMs;
  }

  /**
   * Takes room: without a promise where there is some and nobody waits for it.
   *
   * @throws {ConnectError} (also by the promise) as `Space.take`, and `failed_precondition` for a kind of memory that is not there
   */
  take(byteLength: number, options: TakeOptions = {}): Room | Promise<Room> {
    const memory = this.#memory;
    if (memory === undefined) return this.#taken(byteLength, options, () => undefined);
    let block: MemoryBlock | undefined;
    const reserve = () => (block = memory.allocate(byteLength, options)) !== undefined;
    return this.#taken(byteLength, options, () => block, reserve);
  }

  /**
   * Takes space for memory that came from elsewhere.
   *
   * @throws {ConnectError} (also by the promise) as `Space.take`
   */
  takeFor(block: MemoryBlock, options: TakeOptions = {}): Room | Promise<Room> {
    return this.#taken(block.byteLength, options, () => block);
  }

  #taken(
    byteLength: number,
    { signal }: TakeOptions,
    block: () => MemoryBlock | undefined,
    reserve?: () => boolean,
  ): Room | Promise<Room> {
    const waiting = this.#space.take(byteLength, { signal, waitMs: this.#waitMs, reserve });
    const room = () => new Room(this.#space, byteLength, block());
    return waiting === undefined ? room() : waiting.then(room);
  }
}
