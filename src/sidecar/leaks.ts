import type { Logger } from "../bus/logger.ts";
import type { TensorStore } from "../data/store.ts";

/** Holders that a report names. */
const MAX_HOLDERS = 20;

/** What was still held when a store was closed: nobody had released it. */
export class LeakReport {
  readonly #byHolder = new Map<string, { leases: number; bytes: number }>();

  /** Watches a store that is about to be closed. */
  constructor(store: TensorStore) {
    store.watch({
      ended: ({ holder, bufferId: { byteLength } }, reason) => {
        if (reason !== "closed") return;
        const sum = this.#byHolder.get(holder) ?? { leases: 0, bytes: 0 };
        this.#byHolder.set(holder, { leases: sum.leases + 1, bytes: sum.bytes + byteLength });
      },
    });
  }

  /** Tells it, where there is anything to tell. */
  tell(logger: Logger, node: string): void {
    const holders = [...this.#byHolder].sort(([, a], [, b]) => b.bytes - a.bytes);
    if (holders.length === 0) return;
    const leases = holders.reduce((sum, [, held]) => sum + held.leases, 0);
    const bytes = holders.reduce((sum, [, held]) => sum + held.bytes, 0);
    const named = holders.slice(0, MAX_HOLDERS).map(([holder, held]) => ({ holder: holder || "unknown", ...held }));
    logger.warn("Tensors were still held when the node stopped", { node, leases, bytes, holders: named });
  }
}
