import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, type HandlerContext } from "@connectrpc/connect";
import type { WatchRequest, WatchResponseSchema } from "../../../gen/waybill/v1/lease_pb.ts";
import { proofOf } from "../../data/node-service.ts";
import type { TensorStore } from "../../data/store.ts";
import { fault } from "../../rpc/error.ts";
import { invalidArgument } from "../../tensor/errors.ts";
import { type LeaseEnd, referenceKey } from "../../waybill/lease.ts";
import { Outbox } from "../session/outbox.ts";

/** Ends that wait for a slow watcher at most. */
const MAX_WAITING = 16_384;
/** Leases that one watcher may name. */
const MAX_TENSORS = 16_384;
/** An answer comes at least this often, so that what listens no more is noticed. */
const QUIET_MS = 15_000;

interface End {
  readonly reference: Uint8Array;
  readonly cause: LeaseEnd;
}

/** Tells of leases that end, to whoever holds them or may see all. */
export class Watches {
  readonly #store: TensorStore;
  readonly #max: number;
  #watching = 0;

  /** @param max watchers at once */
  constructor(store: TensorStore, max: number) {
    this.#store = store;
    this.#max = max;
  }

  /**
   * `LeaseService.Watch`.
   *
   * @throws {ConnectError} `permission_denied` for a lease that is not there, or not the caller's to read, `resource_exhausted` past
   * the bound
   */
  async *watch(
    { tensors }: WatchRequest,
    { signal }: Pick<HandlerContext, "signal">,
  ): AsyncGenerator<MessageInitShape<typeof WatchResponseSchema>> {
    if (tensors.length > MAX_TENSORS) {
      throw invalidArgument(`Cannot watch leases: a watcher may name at most ${MAX_TENSORS}, got ${tensors.length}`);
    }
    if (this.#watching >= this.#max) {
      const text = `Cannot watch leases: the node has at most ${this.#max} watchers, and all are there`;
      throw fault(text, Code.ResourceExhausted, { reason: "BUSY" });
    }
    this.#watching++;
    const outbox = new Outbox<End>(MAX_WAITING);
    const left = new Set(tensors.map(({ reference }) => referenceKey(reference)));
    const all = tensors.length === 0;
    const unwatch = this.#store.watch({
      ended({ reference }, cause) {
        if (!all && !left.delete(referenceKey(reference))) return;
        outbox.push({ reference, cause });
        if (!all && left.size === 0) outbox.close();
      },
    });
    const leave = () => outbox.close();
    signal.addEventListener("abort", leave, { once: true });
    try {
      // After the watch began, so that none ends in between unnoticed. Watching renews nothing from then on.
      for (const tensor of tensors) await this.#store.get(proofOf(tensor));
      // Says that it watches.
      yield {};
      while (!signal.aborted) {
        const { values, missed } = await outbox.take(QUIET_MS);
        if (outbox.closed && values.length === 0) return;
        yield { ends: [...values], missed: BigInt(missed) };
      }
    } finally {
      signal.removeEventListener("abort", leave);
      unwatch();
      this.#watching--;
    }
  }
}
