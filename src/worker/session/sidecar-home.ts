import { Code, ConnectError } from "@connectrpc/connect";
import type { TensorStore } from "../../data/store.ts";
import type { Tensor } from "../../tensor/mod.ts";
import type { Waybill } from "../../waybill/mod.ts";
import type { HomeOptions, HomePutOptions, TensorHome } from "../tensor-home.ts";
import type { OwnBlock, OwnSegments } from "./own-segments.ts";
import type { Session } from "./session.ts";

/** What goes in the message as a rule is not worth a block: copied, where it does not, in microseconds. */
const SMALL_BYTES = 65_536;
/** How long an output waits for room. */
const WAIT_MS = 5_000;

/** Bytes that were put, by how. */
export interface PutBytes {
  /** Without a copy: they were allocated. */
  inPlace: number;
  /** Copied into a segment. */
  copied: number;
  /** Sent as bytes, where nothing can be mapped. */
  sent: number;
  /** Into the worker's own store, while there is no sidecar. */
  kept: number;
}

/** Puts tensors into the memory of the node's sidecar, and into the worker's own store while there is none. */
export class SidecarHome implements TensorHome {
  /** What was put so far. */
  readonly bytes: PutBytes = { inPlace: 0, copied: 0, sent: 0, kept: 0 };
  readonly #session: () => Session | undefined;
  readonly #store: TensorStore;
  // By the memory that was handed out: a tensor that `execute` makes over the same memory is as good.
  readonly #blocks = new WeakMap<Uint8Array, { readonly own: OwnSegments; readonly block: OwnBlock }>();

  constructor(session: () => Session | undefined, store: TensorStore) {
    this.#session = session;
    this.#store = store;
  }

  async allocate(byteLength: number, { signal }: HomeOptions): Promise<Uint8Array> {
    const own = this.#session()?.own;
    if (own === undefined || byteLength <= SMALL_BYTES) return new Uint8Array(byteLength);
    try {
      const block = await own.allocate(byteLength, { waitMs: WAIT_MS, signal });
      this.#blocks.set(block.bytes, { own, block });
      return block.bytes;
    } catch (error) {
      if (!isLost(error)) throw error;
      return new Uint8Array(byteLength);
    }
  }

  async put(tensor: Tensor, options: HomePutOptions = {}): Promise<Waybill> {
    const session = this.#session();
    if (session !== undefined) {
      try {
        return await this.#putAt(session, tensor, options);
      } catch (error) {
        if (!isLost(error)) throw error;
      }
    }
    const waybill = await this.#store.put(tensor, options);
    this.bytes.kept += tensor.byteLength;
    return waybill;
  }

  discard(bytes: Uint8Array): void {
    const placed = this.#blocks.get(bytes);
    this.#blocks.delete(bytes);
    placed?.own.free(placed.block);
  }

  async #putAt(session: Session, tensor: Tensor, options: HomePutOptions): Promise<Waybill> {
    const { own } = session;
    const { byteLength } = tensor;
    if (own === undefined) {
      const waybill = await session.send(tensor, options);
      this.bytes.sent += byteLength;
      return waybill;
    }
    const placed = this.#blocks.get(tensor.bytes);
    const inPlace = placed?.own === own;
    const block = inPlace ? placed.block : await own.allocate(byteLength, { waitMs: WAIT_MS, signal: options.signal });
    if (inPlace) this.#blocks.delete(tensor.bytes);
    else block.bytes.set(tensor.bytes);
    try {
      const waybill = await session.put(block, tensor, options);
      this.bytes[inPlace ? "inPlace" : "copied"] += byteLength;
      return waybill;
    } catch (error) {
      // Where it is not known whether the lease was made, the block is given back with that lease.
      if (!isLost(error)) own.free(block);
      throw error;
    }
  }
}

/** Whether an error says that there is no sidecar, rather than that it refuses. */
function isLost(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  return code === Code.Unavailable || code === Code.DeadlineExceeded;
}
