import type { Logger } from "../bus/logger.ts";
import type { Lease, LeaseEnd } from "../waybill/lease.ts";
import type { HeldTensor } from "./held-tensor.ts";

/** A lease of a store, and what it is on. */
export type StoreLease = Lease<HeldTensor>;

/**
 * Follows what a store holds, to mirror it: told at once and in order, within the call that changes it. It must neither throw nor
 * call the store. References are read only.
 */
export interface StoreObserver {
  /** A lease was made, by put or share. */
  leased?(lease: StoreLease): void;
  /** A lease was used or touched: `expiresAtMs` may be later now. */
  renewed?(lease: StoreLease): void;
  /** A lease has ended. The memory is still there: a pin that is taken here keeps it, such as while its bytes are being sent. */
  ended?(lease: StoreLease, reason: LeaseEnd): void;
  /** A tensor's memory was given back. */
  freed?(held: HeldTensor): void;
}

/** The observers of one store. */
export class StoreObservers {
  readonly #observers = new Set<StoreObserver>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Adds one; the returned function takes it away. */
  add(observer: StoreObserver): () => void {
    this.#observers.add(observer);
    return () => void this.#observers.delete(observer);
  }

  /** Tells all of them. One that throws is an error in the log, and keeps nobody else. */
  tell(what: (observer: StoreObserver) => void): void {
    for (const observer of this.#observers) {
      try {
        what(observer);
      } catch (error) {
        this.#logger.error("What watches a tensor store failed", { error: String(error) });
      }
    }
  }

  /** Whether anybody watches. */
  get any(): boolean {
    return this.#observers.size > 0;
  }
}
