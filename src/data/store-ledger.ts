import type { Logger } from "../bus/logger.ts";
import type { LeaseEnd } from "../waybill/lease.ts";
import type { Way } from "../waybill/way.ts";
import type { StoreLease } from "./store-observer.ts";

/** Holders that a report names. */
const MAX_NAMED = 10;

/** What a store counts, and what it reports of leases that nobody gave back. */
export class StoreLedger {
  readonly #node: string;
  readonly #logger: Logger;
  readonly #servedBytes = new Map<Way["kind"], number>();
  #heldTensors = 0;
  #leasedTensors = 0;
  #lastEnd: LeaseEnd | undefined;
  #leakedLeases = 0;
  #leakedBytes = 0;
  #reportedLeases = 0;
  #reportedBytes = 0;

  constructor(node: string, logger: Logger) {
    this.#node = node;
    this.#logger = logger;
  }

  /** Tensors that pins alone keep. */
  get pinned(): number {
    return this.#heldTensors - this.#leasedTensors;
  }

  /** Leases that ended because their time was over. */
  get leakedLeases(): number {
    return this.#leakedLeases;
  }

  /** Bytes that only such an end gave free. */
  get leakedBytes(): number {
    return this.#leakedBytes;
  }

  /** Bytes that others read, by the way they took. */
  get servedBytes(): Partial<Record<Way["kind"], number>> {
    return Object.fromEntries(this.#servedBytes);
  }

  /** A tensor got its first lease. */
  held(): void {
    this.#heldTensors++;
    this.#leasedTensors++;
  }

  /** A lease has ended. */
  ended(reason: LeaseEnd): void {
    this.#lastEnd = reason;
    if (reason === "expired") this.#leakedLeases++;
  }

  /** With the lease that ended just now, a tensor has lost its last one. */
  unleased(byteLength: number): void {
    this.#leasedTensors--;
    if (this.#lastEnd === "expired") this.#leakedBytes += byteLength;
  }

  /** A tensor's memory was given back. */
  freed(): void {
    this.#heldTensors--;
  }

  /** Bytes were read by a way. */
  served(way: Way["kind"], bytes: number): void {
    this.#servedBytes.set(way, (this.#servedBytes.get(way) ?? 0) + bytes);
  }

  /** Tells in the log what has expired since the last time. */
  reportLeaks(): void {
    const leases = this.#leakedLeases - this.#reportedLeases;
    if (leases > 0) {
      const bytes = this.#leakedBytes - this.#reportedBytes;
      this.#logger.warn("Leases ended without a release", { node: this.#node, leases, bytes });
    }
    this.#reportedLeases = this.#leakedLeases;
    this.#reportedBytes = this.#leakedBytes;
  }

  /** Tells in the log what is still held at the end, and by whom. */
  reportLeft(leases: Iterable<StoreLease>): void {
    this.reportLeaks();
    const holders = new Map<string, number>();
    const tensors = new Set<StoreLease["bufferId"]>();
    let count = 0;
    for (const { holder, bufferId } of leases) {
      count++;
      tensors.add(bufferId);
      if (holder !== "") holders.set(holder, (holders.get(holder) ?? 0) + 1);
    }
    const { pinned } = this;
    if (count === 0 && pinned === 0) return;
    const bytes = [...tensors].reduce((sum, { byteLength }) => sum + byteLength, 0);
    const most = [...holders].sort(([, a], [, b]) => b - a).slice(0, MAX_NAMED);
    const named = most.length === 0 ? {} : { holders: Object.fromEntries(most) };
    this.#logger.warn("Tensors were still held when their store closed", {
      node: this.#node,
      leases: count,
      bytes,
      pinned,
      ...named,
    });
  }
}
