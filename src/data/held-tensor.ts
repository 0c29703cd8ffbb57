import type { DType } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Memory } from "../waybill/descriptor.ts";
import { copyOut, type MemoryBlock, type MemoryLocation } from "./memory.ts";
import type { Room } from "./rooms.ts";

/** A view of a buffer larger than this and than twice the view is copied: kept, it would hold more than it counts. */
const VIEW_SLACK_BYTES = 65_536;

/**
 * A tensor as a store keeps it: **leased** until its last lease ends, then **pinned** while somebody reads its memory, then
 * **freed**. An object of its own for each put: the same tensor put twice counts twice, and is freed twice.
 */
export class HeldTensor {
  /** What its elements are. */
  readonly dtype: DType;
  /** Its dimensions. */
  readonly shape: readonly number[];
  readonly #room: Room;
  readonly #onFree: (held: HeldTensor) => void;
  #tensor: Tensor | undefined;
  #pins = 0;
  #leased = true;

  /**
   * @param content what is in the room's block; without a block the tensor itself is kept
   * @throws {ConnectError} `invalid_argument` where the block's bytes are no tensor of that dtype and shape
   */
  constructor(
    room: Room,
    content: Tensor | { readonly dtype: DType; readonly shape: readonly number[] },
    onFree: (held: HeldTensor) => void,
  ) {
    this.dtype = content.dtype;
    this.shape = content.shape;
    this.#room = room;
    this.#onFree = onFree;
    if (room.block === undefined) this.#tensor = compact(content as Tensor);
    // For its checks; of a GPU's memory the size is all that is known.
    else if (room.block.bytes !== undefined) this.#tensor = new Tensor(content.dtype, content.shape, room.block.bytes);
  }

  /** Its size in bytes. */
  get byteLength(): number {
    return this.#room.byteLength;
  }

  /** Where its bytes live. */
  get memory(): Memory {
    return this.#room.block?.memory ?? "cpu";
  }

  /** The GPU's ordinal; 0 elsewhere. */
  get device(): number {
    return this.#room.block?.device ?? 0;
  }

  /** Its memory; `undefined` on the heap. */
  get block(): MemoryBlock | undefined {
    return this.#room.block;
  }

  /** Where those who map its segment find it. */
  get location(): MemoryLocation | undefined {
    return this.#room.block?.location;
  }

  /** The tensor over its own memory, for who holds a pin; `undefined` where the processor cannot reach that. */
  get view(): Tensor | undefined {
    return this.#tensor;
  }

  /** Pins that keep its memory. */
  get pins(): number {
    return this.#pins;
  }

  /** The tensor for who holds no pin: of the heap itself, of memory that is used again a copy. */
  tensor(): Tensor {
    if (this.#room.block === undefined) return this.#tensor as Tensor;
    return new Tensor(this.dtype, this.shape, this.slice(0, this.byteLength));
  }

  /** A part of the bytes for who holds no pin, as {@linkcode tensor}. */
  slice(offset: number, length: number): Uint8Array {
    const { block } = this.#room;
    if (block !== undefined) return copyOut(block, offset, length);
    return (this.#tensor as Tensor).bytes.subarray(offset, offset + length);
  }

  /** Keeps its memory, beyond its leases too, until the pin is released. Must be leased or pinned. */
  pin(): TensorPin {
    if (!this.#leased && this.#pins === 0) throw new Error("Cannot pin a tensor: its memory was given back");
    this.#pins++;
    return new TensorPin(this, () => {
      this.#pins--;
      this.#freeUnlessHeld();
    });
  }

  /** Its last lease has ended. Called once. */
  end(): void {
    this.#leased = false;
    this.#freeUnlessHeld();
  }

  #freeUnlessHeld(): void {
    if (this.#leased || this.#pins > 0) return;
    this.#room.give();
    this.#onFree(this);
  }
}

/** Keeps a tensor's memory where it is, whatever becomes of its leases. */
export class TensorPin implements Disposable {
  /** What is pinned. Its `view` and its `location` are good until the release. */
  readonly held: HeldTensor;
  #release: (() => void) | undefined;

  /** Made by {@linkcode HeldTensor.pin}. */
  constructor(held: HeldTensor, release: () => void) {
    this.held = held;
    this.#release = release;
  }

  /** The tensor over the pinned memory: do not write to it. `undefined` where the processor cannot reach that. */
  get tensor(): Tensor | undefined {
    return this.held.view;
  }

  /** Where those who map its segment find it; `undefined` where nobody can. */
  get location(): MemoryLocation | undefined {
    return this.held.location;
  }

  /** Lets go: the memory may be another's at once. Safe to call twice. */
  release(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }

  /** As `release()`. */
  [Symbol.dispose](): void {
    this.release();
  }
}

/** All pins of one holder, such as a session: they end together with it. */
export class PinHolder implements Disposable {
  readonly #pins = new Set<TensorPin>();

  /** Pins that it holds. */
  get size(): number {
    return this.#pins.size;
  }

  /** Keeps a pin; the returned function releases it, once. */
  add(pin: TensorPin): () => void {
    this.#pins.add(pin);
    return () => {
      this.#pins.delete(pin);
      pin.release();
    };
  }

  /** Releases all of them. More may be added afterwards. */
  [Symbol.dispose](): void {
    for (const pin of this.#pins) pin.release();
    this.#pins.clear();
  }
}

/** What a tensor keeps alive must be about what it counts. */
function compact(tensor: Tensor): Tensor {
  const held = tensor.bytes.buffer.byteLength;
  if (held <= Math.max(VIEW_SLACK_BYTES, 2 * tensor.byteLength)) return tensor;
  return new Tensor(tensor.dtype, tensor.shape, tensor.bytes.slice());
}
