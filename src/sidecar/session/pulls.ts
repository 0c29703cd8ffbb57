import type { MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import type { Pull, PulledSchema, PulledTensorSchema } from "../../../gen/waybill/v1/session_pb.ts";
import type { TensorDescriptor } from "../../../gen/waybill/v1/tensor_pb.ts";
import type { Logger } from "../../bus/logger.ts";
import type { DataPlane } from "../../data/data-plane.ts";
import { copyIn, type MemoryBlock } from "../../data/memory.ts";
import type { Reservation } from "../../data/reservations.ts";
import type { TensorStore } from "../../data/store.ts";
import type { TensorPin } from "../../data/held-tensor.ts";
import { WayFailures } from "../../data/way-failures.ts";
import type { WayKind } from "../../data/way-handler.ts";
import { type Waybill, waybillFromMessage } from "../../waybill/descriptor.ts";
import type { FetchObserver } from "../../telemetry/observer.ts";
import type { DirectFetch } from "../ucx/node-wire.ts";
import { errorToWire } from "./operations.ts";
import { pinToWire } from "./pinned.ts";
import type { Session } from "./session.ts";

/** Up to this a pulled tensor goes along in the answer: a copy costs less than a lease, a pin, and the message that ends it. */
const INLINE_BYTES = 65_536;

/** Reads a tensor straight into memory of the node's; `undefined` where that is not possible, and another way is to be taken. */
export type FetchInto = (
  waybill: Waybill,
  block: MemoryBlock,
  options: { signal: AbortSignal; timeoutMs: number },
) => Promise<DirectFetch | undefined>;

/** Bytes in memory of the node's. */
interface Fetched {
  readonly reservation: Reservation;
  readonly way: string;
}

/** What pulls need of their node. */
export interface PullsHost {
  readonly store: TensorStore;
  /** Reaches tensors of others. */
  readonly data: DataPlane;
  /** The wire that writes where it is told to, which is `ucx`. Default: none. */
  readonly fetchInto?: FetchInto | undefined;
  /** Told of what that wire fetches. */
  readonly observer: FetchObserver;
  readonly logger: Logger;
  /** How long one may take. */
  readonly timeoutMs: number;
}

/** Fetches tensors of other nodes into the node's own memory, for workers that map it. */
export class Pulls {
  readonly #host: PullsHost;
  readonly #failures: WayFailures;

  constructor(host: PullsHost) {
    this.#host = host;
    this.#failures = new WayFailures([host.observer], host.logger);
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
      if (waybill.node === store.node) {
        return { result: { case: "pinned", value: pinToWire(session, await store.pin(waybill)) }, way: "local" };
      }
      // Room first, so that what is on its way stays within the budget.
      const { reservation, way } = await this.#direct(waybill, via, bounded) ?? await this.#copied(waybill, via, bounded);
      const { bytes } = reservation.block;
      if (bytes === undefined || bytes.length > INLINE_BYTES) {
        return { result: { case: "pinned", value: pinToWire(session, await this.#pin(reservation, session)) }, way };
      }
      const data = bytes.slice();
      reservation[Symbol.dispose]();
      return { result: { case: "data", value: data }, way };
    } catch (error) {
      return { result: { case: "error", value: errorToWire(error) } };
    }
  }

  /** Makes a tensor of what was fetched, which the pin alone keeps. */
  async #pin(reservation: Reservation, session: Session): Promise<TensorPin> {
    const { store } = this.#host;
    const own = await store.commit(reservation, { holder: session.name });
    try {
      return await store.pin(own);
    } finally {
      await store.release(own);
    }
  }

  /** By the wire that writes where it is told to; `undefined` where that does not lead there, or failed and others may be tried. */
  async #direct(waybill: Waybill, via: readonly WayKind[], signal: AbortSignal): Promise<Fetched | undefined> {
    const { fetchInto, observer, timeoutMs } = this.#host;
    if (fetchInto === undefined || via.length > 0 && !via.includes("ucx")) return undefined;
    const reservation = await this.#reserve(waybill, signal);
    const fetch = await fetchInto(waybill, reservation.block, { signal, timeoutMs });
    if (fetch === undefined) {
      reservation[Symbol.dispose]();
      return undefined;
    }
    const watch = observer.fetch?.({ node: waybill.node, bytes: waybill.byteSize });
    try {
      await fetch.done;
      watch?.ended({ way: "ucx" });
      return { reservation, way: "ucx" };
    } catch (error) {
      // What was on its way may still be written.
      void fetch.idle.then(() => reservation[Symbol.dispose]());
      watch?.ended({ error });
      if (signal.aborted || via.length > 0 && !via.some((kind) => kind !== "ucx")) throw error;
      this.#failures.add(waybill.node, "ucx", ConnectError.from(error).rawMessage);
      return undefined;
    }
  }

  /** By any other way. */
  async #copied(waybill: Waybill, via: readonly WayKind[], signal: AbortSignal): Promise<Fetched> {
    const { data } = this.#host;
    const reservation = await this.#reserve(waybill, signal);
    try {
      const { tensor, way } = await data.fetch(waybill, { via: via.length === 0 ? undefined : via, signal });
      copyIn(reservation.block, 0, tensor.bytes);
      return { reservation, way };
    } catch (error) {
      reservation[Symbol.dispose]();
      throw error;
    }
  }

  #reserve({ dtype, shape, byteSize }: Waybill, signal: AbortSignal): Promise<Reservation> {
    return this.#host.store.reserve(dtype, shape, { byteLength: byteSize, signal });
  }
}
