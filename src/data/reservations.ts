import type { DType } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { BackgroundTimer } from "./background-timer.ts";
import type { Room } from "./rooms.ts";
import type { MemoryBlock } from "./memory.ts";

/** Memory of a store for a tensor that is being made: **open** until it is committed or disposed of, or its time is over. */
export class Reservation implements Disposable {
  /** What its elements will be. */
  readonly dtype: DType;
  /** Its dimensions. */
  readonly shape: readonly number[];
  /** Its memory. Do not touch it once the reservation has ended otherwise than by a commit: it may be another's. */
  readonly block: MemoryBlock;
  readonly #room: Room;
  readonly #onEnd: (reservation: Reservation) => void;
  #open = true;

  /** Made by {@linkcode Reservations.add}. */
  constructor(
    room: Room,
    block: MemoryBlock,
    tensor: { readonly dtype: DType; readonly shape: readonly number[] },
    onEnd: (reservation: Reservation) => void,
  ) {
    this.dtype = tensor.dtype;
    this.shape = tensor.shape;
    this.block = block;
    this.#room = room;
    this.#onEnd = onEnd;
  }

  /** Whether its memory is still its maker's. */
  get open(): boolean {
    return this.#open;
  }

  /** Ends it without giving the room back; `undefined` when it has ended. */
  claim(): Room | undefined {
    if (!this.#open) return undefined;
    this.#open = false;
    this.#onEnd(this);
    return this.#room;
  }

  /** Gives the memory back, unless it was committed. Safe to call twice. */
  [Symbol.dispose](): void {
    this.claim()?.give();
  }
}

/** A tensor in memory of a store, to be written and put there: that copies nothing. Dispose of it where it is not put. */
export class AllocatedTensor<D extends DType = DType> extends Tensor<D> implements Disposable {
  readonly #reservation: Reservation;

  /** Made by `TensorStore.allocate`. */
  constructor(dtype: D, shape: readonly number[], bytes: Uint8Array, reservation: Reservation) {
    super(dtype, shape, bytes);
    this.#reservation = reservation;
  }

  /** Gives the memory back, unless the tensor was put; do not touch its bytes after that. Safe to call twice. */
  [Symbol.dispose](): void {
    this.#reservation[Symbol.dispose]();
  }
}

/** Memory that a store has given out for tensors that are not put yet, each for a bounded time. */
export class Reservations {
  readonly #maxMs: number;
  readonly #onForgotten: (count: number, bytes: number) => void;
  readonly #timer = new BackgroundTimer(() => this.#expire());
  /** In the order in which they were made, which is the one in which they expire. */
  readonly #open = new Map<Reservation, number>();
  /** By the place of their bytes, so that any tensor over them is known as theirs. */
  readonly #byPlace = new WeakMap<ArrayBufferLike, Map<number, Reservation>>();

  /** @param onForgotten told of those whose time was over */
  constructor(maxMs: number, onForgotten: (count: number, bytes: number) => void) {
    this.#maxMs = maxMs;
    this.#onForgotten = onForgotten;
  }

  /** Those that are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Opens one. */
  add(room: Room, block: MemoryBlock, tensor: { readonly dtype: DType; readonly shape: readonly number[] }): Reservation {
    const reservation = new Reservation(room, block, tensor, (ended) => this.#remove(ended));
    this.#open.set(reservation, performance.now() + this.#maxMs);
    this.#timer.wakeIn(this.#maxMs);
    if (block.bytes !== undefined) {
      const { buffer, byteOffset } = block.bytes;
      let places = this.#byPlace.get(buffer);
      if (places === undefined) this.#byPlace.set(buffer, places = new Map());
      places.set(byteOffset, reservation);
    }
    return reservation;
  }

  /** The open one whose bytes these are, all of them. */
  find(bytes: Uint8Array): Reservation | undefined {
    if (this.#open.size === 0) return undefined;
    const found = this.#byPlace.get(bytes.buffer)?.get(bytes.byteOffset);
    return found?.block.byteLength === bytes.length ? found : undefined;
  }

  /** Ends all. */
  close(): void {
    this.#timer.stop();
    for (const reservation of [...this.#open.keys()]) reservation[Symbol.dispose]();
  }

  #remove(reservation: Reservation): void {
    this.#open.delete(reservation);
    const { bytes } = reservation.block;
    if (bytes !== undefined) this.#byPlace.get(bytes.buffer)?.delete(bytes.byteOffset);
  }

  #expire(): void {
    const now = performance.now();
    let count = 0;
    let bytes = 0;
    for (const [reservation, endsAt] of this.#open) {
      if (endsAt > now) {
        this.#timer.wakeIn(endsAt - now);
        break;
      }
      count++;
      bytes += reservation.block.byteLength;
      reservation[Symbol.dispose]();
    }
    if (count > 0) this.#onForgotten(count, bytes);
  }
}
