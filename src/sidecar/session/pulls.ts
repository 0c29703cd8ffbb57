import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Pull, PulledSchema, PulledTensorSchema } from "../../../gen/waybill/v1/node_pb.ts";
import type { TensorDescriptor } from "../../../gen/waybill/v1/tensor_pb.ts";
import type { DataPlane } from "../../data/data-plane.ts";
import { copyIn, type MemoryBlock } from "../../data/memory.ts";
import type { TensorStore } from "../../data/store.ts";
import type { TensorPin } from "../../data/held-tensor.ts";
import type { WayKind } from "../../data/way-handler.ts";
import { type Waybill, waybillFromMessage } from "../../waybill/descriptor.ts";
import { errorToWire } from "./operations.ts";
import { pinToWire } from "./pinned.ts";
import type { Session } from "./session.ts";

/** Reads a tensor straight into memory of the node's; `undefined` where that is not possible, and another way is to be taken. */
export type FetchInto = (waybill: Waybill, block: MemoryBlock, signal: AbortSignal) => Promise<void> | undefined;

/** What pulls need of their node. */
export interface PullsHost {
  readonly store: TensorStore;
  /** Reaches tensors of others. */
  readonly data: DataPlane;
  /** The wire that writes where it is told to, which is `ucx`. Default: none. */
  readonly fetchInto?: FetchInto | undefined;
  /** How long one may take. */
  readonly timeoutMs: number;
}

/** Fetches tensors of other nodes into the node's own memory, for workers that map it. */
export class Pulls {
  readonly #host: PullsHost;

  constructor(host: PullsHost) {
    this.#host = host;
  }

  /** Each tensor on its own: one that fails keeps no other. */
  async pull(
    { tensors, via }: Pull,
    session: Session,
    signal: AbortSignal,
  ): Promise<MessageInitShape<typeof PulledSchema>> {
    return { tensors: await Promise.all(tensors.map((tensor) => this.#one(tensor, via as WayKind[], session, signal))) };
  }

  async #one(
    descriptor: TensorDescriptor,
    via: readonly WayKind[],
    session: Session,
    signal: AbortSignal,
  ): Promise<MessageInitShape<typeof PulledTensorSchema>> {
    const { store, timeoutMs } = this.#host;
    try {
      const waybill = waybillFromMessage(descriptor);
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const { pin, way } = waybill.node === store.node
        ? { pin: await store.pin(waybill), way: "local" }
        : await this.#fetch(waybill, via, session, bounded);
      return { result: { case: "pinned", value: pinToWire(session, pin) }, way };
    } catch (error) {
      return { result: { case: "error", value: errorToWire(error) } };
    }
  }

  /** Room first, so that what is on its way stays within the budget. */
  async #fetch(
    waybill: Waybill,
    via: readonly WayKind[],
    session: Session,
    signal: AbortSignal,
  ): Promise<{ pin: TensorPin; way: string }> {
    const { store } = this.#host;
    const { dtype, shape, byteSize } = waybill;
    const reservation = await store.reserve(dtype, shape, { byteLength: byteSize, signal });
    let way: string;
    try {
      way = await this.#into(waybill, reservation.block, via, signal);
    } catch (error) {
      reservation[Symbol.dispose]();
      throw error;
    }
    const own = await store.commit(reservation, { holder: session.name });
    try {
      return { pin: await store.pin(own), way };
    } finally {
      // From now on the pin alone keeps it.
      await store.release(own);
    }
  }

  async #into(waybill: Waybill, block: MemoryBlock, via: readonly WayKind[], signal: AbortSignal): Promise<string> {
    const { data, fetchInto } = this.#host;
    const direct = via.length === 0 || via.includes("ucx") ? fetchInto?.(waybill, block, signal) : undefined;
    if (direct !== undefined) {
      await direct;
      return "ucx";
    }
    const { tensor, way } = await data.fetch(waybill, { ways: via.length === 0 ? undefined : via, signal });
    copyIn(block, 0, tensor.bytes);
    return way;
  }
}
