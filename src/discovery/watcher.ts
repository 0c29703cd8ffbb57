import type { InstanceRecord, OperatorDeclaration } from "../../gen/waybill/v1/discovery_pb.ts";
import type { Logger } from "../bus/logger.ts";
import type { Bucket, BucketEntry, BucketListener, BucketWatch } from "./bucket.ts";
import type { DiscoveryEvent, Watch } from "./discovery.ts";
import { Leases } from "./leases.ts";
import { DECLARATIONS, decodeDeclaration, decodeInstance, INSTANCES } from "./records.ts";

/** How long a declaration that a restarted store does not have is kept, for its declarer to come back. */
const DECLARATION_GRACE_MS = 10_000;

interface Known<T> {
  readonly record: T;
  readonly text: string;
  readonly revision: number;
}

const decoder = new TextDecoder();

/**
 * What one watcher knows: turns a bucket's snapshots and changes into events, each difference told once. What a snapshot
 * lacks is not gone at once: its lease goes on, since the store may have lost it and its owner be on the way back.
 */
export class Watcher implements BucketListener, Watch {
  /** Settles with the first snapshot. */
  readonly ready: Promise<void>;
  readonly #listener: (event: DiscoveryEvent) => void;
  readonly #logger: Logger;
  readonly #leases: Leases;
  readonly #marginMs: number;
  readonly #instances = new Map<string, Known<InstanceRecord>>();
  readonly #declarations = new Map<string, Known<OperatorDeclaration>>();
  readonly #onClosed: () => void;
  readonly #settle: { resolve: () => void; reject: (error: unknown) => void };
  #state: "starting" | "hearing" | "interrupted" | "closed" = "starting";
  #watch: BucketWatch | undefined;

  constructor(listener: (event: DiscoveryEvent) => void, logger: Logger, marginMs: number, onClosed: () => void) {
    this.#listener = listener;
    this.#logger = logger;
    this.#marginMs = marginMs;
    this.#onClosed = onClosed;
    this.#leases = new Leases(marginMs, () => this.#watch?.heardAt() ?? -Infinity, (key) => this.#gone(key, "expired"));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#settle = { resolve, reject };
  }

  /** Starts listening. */
  start(bucket: Bucket): void {
    this.#watch = bucket.watch(this);
  }

  instances(): InstanceRecord[] {
    return [...this.#instances.values()].map(({ record }) => record);
  }

  declarations(): OperatorDeclaration[] {
    return [...this.#declarations.values()].map(({ record }) => record);
  }

  snapshot(entries: readonly BucketEntry[]): void {
    if (this.#state === "closed") return;
    const isFirst = this.#state === "starting";
    if (this.#state === "interrupted") {
      for (const [key, { record }] of this.#instances) this.#leases.renew(key, record.leaseMs);
    }
    this.#state = "hearing";
    const missing = new Set(this.#declarations.keys());
    for (const entry of entries) {
      if (entry.deleted !== "expired") missing.delete(entry.key);
      this.#apply(entry, true);
    }
    for (const key of missing) if (!this.#leases.has(key)) this.#leases.renew(key, DECLARATION_GRACE_MS);
    this.#leases.resume();
    if (!isFirst) return;
    this.#tell({ type: "ready" });
    this.#settle.resolve();
  }

  change(entry: BucketEntry): void {
    if (this.#state === "hearing") this.#apply(entry, false);
  }

  interrupted(): void {
    if (this.#state !== "hearing") return;
    this.#state = "interrupted";
    this.#leases.pause();
  }

  failed(error: Error): void {
    if (this.#state !== "starting") this.#logger.error("Cannot watch discovery any longer", { error });
    this.#settle.reject(error);
  }

  close(): Promise<void> {
    this.#state = "closed";
    this.#watch?.stop();
    this.#leases.clear();
    this.#onClosed();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #apply(entry: BucketEntry, inSnapshot: boolean): void {
    // Our own clock decides: the store may have marked it at the end of an outage of its own, in which nobody could renew.
    if (entry.deleted === "expired") return;
    if (entry.deleted === "closed") return this.#gone(entry.key, "closed");
    try {
      if (entry.key.startsWith(`${INSTANCES}.`)) this.#applyInstance(entry, inSnapshot);
      else if (entry.key.startsWith(`${DECLARATIONS}.`)) this.#applyDeclaration(entry);
    } catch (error) {
      this.#logger.warn("Ignored an unreadable record in discovery", { key: entry.key, error });
    }
  }

  #applyInstance({ key, value, revision, ageMs }: BucketEntry, inSnapshot: boolean): void {
    const known = this.#instances.get(key);
    if (known?.revision === revision) return;
    const text = decoder.decode(value);
    const record = known?.text === text ? known.record : decodeInstance(key, text);
    const spentMs = known === undefined && inSnapshot ? ageMs ?? 0 : 0;
    // Its process died before we came, and the store has not noticed.
    if (spentMs > record.leaseMs + this.#marginMs) return;
    this.#instances.set(key, { record, text, revision });
    this.#leases.renew(key, record.leaseMs, spentMs);
    if (known === undefined) this.#tell({ type: "instance-up", instance: record });
    else if (known.text !== text) this.#tell({ type: "instance-changed", instance: record, previous: known.record });
  }

  #applyDeclaration({ key, value, revision }: BucketEntry): void {
    const known = this.#declarations.get(key);
    const text = decoder.decode(value);
    const record = known?.text === text ? known.record : decodeDeclaration(key, text);
    this.#declarations.set(key, { record, text, revision });
    this.#leases.remove(key);
    if (known?.text !== text) this.#tell({ type: "declared", declaration: record });
  }

  #gone(key: string, reason: "closed" | "expired"): void {
    this.#leases.remove(key);
    const instance = this.#instances.get(key)?.record;
    const declaration = this.#declarations.get(key)?.record;
    this.#instances.delete(key);
    this.#declarations.delete(key);
    if (instance !== undefined) this.#tell({ type: "instance-gone", instance, reason });
    if (declaration !== undefined) this.#tell({ type: "undeclared", declaration });
  }

  #tell(event: DiscoveryEvent): void {
    if (this.#state === "closed") return;
    try {
      this.#listener(event);
    } catch (error) {
      this.#logger.error("A listener of discovery threw", { event: event.type, error });
    }
  }
}
