import type { Logger } from "../bus/logger.ts";
import type { Waybill } from "../waybill/descriptor.ts";
import { withDeadline } from "../rpc/deadline.ts";
import { type NearOwner, type Owner, ownerKey, type Owners } from "./owners.ts";
import type { ReleaseOptions } from "./store-types.ts";

/** How long an owner may take to answer; then its leases are left to expire. */
const ANSWER_MS = 5_000;
/** Messages with releases are this far apart, at least. */
const GATHER_MS = 20;
/** Releases that wait for one owner; more are left to expire. */
const MAX_WAITING = 65_536;
/** Bytes of a reference with its capability in a message, at most. */
const ENTRY_BYTES = 96;
const MAX_BATCH = 4_096;
const HTTP_BATCH = 16;

interface Line {
  readonly owner: Owner;
  readonly options: ReleaseOptions;
  waiting: { waybill: Waybill; done: () => void }[];
}

/** Sends a batch of releases. */
export type SendReleases = (
  owner: Owner,
  waybills: Waybill[],
  options: ReleaseOptions & { readonly signal: AbortSignal },
) => Promise<void>;

/**
 * Releases, in batches: one message to an owner is on its way at a time, and what comes meanwhile goes together in the next. None
 * of it ever fails for the caller: a lease that cannot be released expires.
 */
export class Releases {
  readonly #owners: Owners;
  readonly #send: SendReleases;
  readonly #logger: Logger;
  readonly #lines = new Map<string, Line>();
  readonly #idle: (() => void)[] = [];
  #sentAt = -Infinity;

  constructor(owners: Owners, send: SendReleases, logger: Logger) {
    this.#owners = owners;
    this.#send = send;
    this.#logger = logger;
  }

  /** Ends a lease. Settles once its owner has answered or will not. */
  add(waybill: Waybill, options: ReleaseOptions = {}): Promise<void> {
    const owner = this.#owners.of(waybill);
    if (owner.kind === "local") return this.#releaseHere(owner.store, waybill, options);
    const key = `${options.consumed === true} ${ownerKey(owner, waybill)}`;
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = { owner, options, waiting: [] };
      this.#lines.set(key, line);
      void this.#run(key, line);
    }
    if (line.waiting.length >= MAX_WAITING) {
      this.#logger.debug("Left a lease to expire: too many releases wait for its owner", { node: waybill.node });
      return Promise.resolve();
    }
    const { waiting } = line;
    return new Promise((done) => waiting.push({ waybill, done }));
  }

  /** Settles when nothing waits and nothing is on its way. */
  flush(): Promise<void> {
    return this.#lines.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Needs no message, so nothing to gather and no time limit. */
  #releaseHere(store: NearOwner, waybill: Waybill, options: ReleaseOptions): Promise<void> {
    return store.release(waybill, options).catch((error) => {
      this.#logger.debug("Cannot release a tensor: its lease will expire", { node: waybill.node, error: String(error) });
    });
  }

  async #run(key: string, line: Line): Promise<void> {
    // One alone goes at once. Where they follow each other, a message for each would cost more than reading the tensor did.
    const waitMs = this.#sentAt + GATHER_MS - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    else await Promise.resolve();
    while (line.waiting.length > 0) {
      this.#sentAt = performance.now();
      const batch = line.waiting.splice(0, this.#batchSize(line.owner));
      try {
        await withDeadline("Cannot release tensors", { timeoutMs: ANSWER_MS }, (signal) => {
          const sending = { ...line.options, signal: signal as AbortSignal };
          return this.#send(line.owner, batch.map(({ waybill }) => waybill), sending);
        });
      } catch (error) {
        this.#logger.debug("Cannot release tensors: their leases will expire", {
          key,
          count: batch.length,
          error: String(error),
        });
      }
      for (const { done } of batch) done();
    }
    this.#lines.delete(key);
    if (this.#lines.size === 0) { for (const resolve of this.#idle.splice(0)) resolve(); }
  }

  #batchSize({ kind }: Owner): number {
    if (kind === "http") return HTTP_BATCH;
    const { nodes } = this.#owners;
    if (kind !== "bus" || nodes === undefined) return MAX_BATCH;
    return Math.max(1, Math.min(MAX_BATCH, Math.floor((nodes.maxMessageBytes - 2_048) / ENTRY_BYTES)));
  }
}
