import { clone, create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { type InstanceRecord, InstanceRecordSchema } from "../../gen/waybill/v1/discovery_pb.ts";
import type { Logger } from "../bus/logger.ts";
import { fault } from "../rpc/error.ts";
import type { Bucket } from "./bucket.ts";
import type { DiscoveryCallOptions, InstancePatch, RegisterOptions, Registration } from "./discovery.ts";
import { DEFAULT_LEASE_MS, encodeRecord, instanceKey } from "./records.ts";
import { startTimer } from "./timer.ts";

/** How long the mark of a closed instance stays: for watchers that were cut off meanwhile. */
export const CLOSED_MARK_MS: number = 60_000;
const CLOSE_TIMEOUT_MS = 2000;
/** After a renewal failed. */
const RETRY_MS = 1000;

/** What a registration gets from its discovery. */
export interface Surroundings {
  readonly logger: Logger;
  /** How much longer than its lease the store keeps the record. */
  readonly marginMs: number;
  readonly onClosed: () => void;
}

/** Keeps an instance's record in a bucket. */
export class LeasedRegistration implements Registration {
  readonly #bucket: Bucket;
  readonly #logger: Logger;
  readonly #key: string;
  readonly #renewMs: number;
  readonly #marginMs: number;
  readonly #onClosed: () => void;
  #record: InstanceRecord;
  #failures = 0;
  #stopTimer: () => void = () => {};
  #stopListening: () => void = () => {};
  #closing: Promise<void> | undefined;
  /** Writes follow one another, so that no older record overwrites a newer one. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(bucket: Bucket, record: InstanceRecord, options: RegisterOptions, surroundings: Surroundings) {
    const leaseMs = options.leaseMs ?? (record.leaseMs || DEFAULT_LEASE_MS);
    const renewMs = options.renewMs ?? leaseMs / 3;
    if (!Number.isInteger(leaseMs) || leaseMs < 1 || !(renewMs > 0 && renewMs < leaseMs)) {
      throw fault(
        `Cannot register an instance: it wants a lease of whole milliseconds and renewals within it, got leaseMs ${leaseMs} and renewMs ${renewMs}`,
        Code.InvalidArgument,
      );
    }
    this.#bucket = bucket;
    this.#logger = surroundings.logger;
    this.#marginMs = surroundings.marginMs;
    this.#key = instanceKey(record.instance);
    this.#renewMs = renewMs;
    this.#onClosed = surroundings.onClosed;
    this.#record = create(InstanceRecordSchema, { ...clone(InstanceRecordSchema, record), leaseMs });
  }

  get record(): InstanceRecord {
    return clone(InstanceRecordSchema, this.#record);
  }

  /** Writes the record for the first time. */
  async start(options: DiscoveryCallOptions): Promise<void> {
    await this.#write(options);
    this.#stopListening = this.#bucket.onRestored(() => void this.#renew());
    this.#schedule(this.#renewMs);
  }

  async update(patch: InstancePatch, options: DiscoveryCallOptions = {}): Promise<void> {
    if (this.#closing !== undefined) {
      throw fault(`Cannot update the instance "${this.#record.instance}": it is closed`, Code.FailedPrecondition);
    }
    const { instance, leaseMs } = this.#record;
    this.#record = create(InstanceRecordSchema, { ...this.record, ...patch, instance, leaseMs });
    await this.#write(options);
  }

  close(options?: DiscoveryCallOptions): Promise<void> {
    return this.#closing ??= this.#close(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(options?: DiscoveryCallOptions): Promise<void> {
    this.#stopTimer();
    this.#stopListening();
    this.#onClosed();
    try {
      await this.#inTurn(() =>
        this.#bucket.delete(this.#key, { timeoutMs: CLOSE_TIMEOUT_MS, ...options, ttlMs: CLOSED_MARK_MS })
      );
    } catch (error) {
      this.#logger.warn("Could not delete an instance's record: its lease will run out", { key: this.#key, error });
    }
  }

  #write(options: DiscoveryCallOptions): Promise<unknown> {
    const { leaseMs } = this.#record;
    return this.#inTurn(() => {
      const value = encodeRecord(InstanceRecordSchema, this.#record);
      return this.#bucket.put(this.#key, value, { ...options, ttlMs: leaseMs + this.#marginMs });
    });
  }

  #inTurn<T>(write: () => Promise<T>): Promise<T> {
    const result = this.#writing.then(write);
    this.#writing = result.catch(() => {});
    return result;
  }

  #schedule(delayMs: number): void {
    // A tenth of chance keeps instances that started together from renewing together for ever.
    if (this.#closing === undefined) {
      this.#stopTimer = startTimer(() => void this.#renew(), delayMs * (0.9 + Math.random() / 10));
    }
  }

  async #renew(): Promise<void> {
    this.#stopTimer();
    // While the connection is down a write would only wait in it; its return comes as `onRestored`.
    if (this.#closing !== undefined || !this.#bucket.connected) return this.#schedule(this.#renewMs);
    try {
      await this.#write({ timeoutMs: Math.max(this.#renewMs, RETRY_MS) });
      if (this.#failures > 0) this.#logger.info("Renewed an instance's lease again", { key: this.#key });
      this.#failures = 0;
    } catch (error) {
      if (this.#failures++ === 0) this.#logger.warn("Could not renew an instance's lease", { key: this.#key, error });
      return this.#restart(Math.min(this.#renewMs, RETRY_MS));
    }
    this.#restart(this.#renewMs);
  }

  /** Renewals may overlap when the store is restored during one: one timer remains. */
  #restart(delayMs: number): void {
    this.#stopTimer();
    this.#schedule(delayMs);
  }
}
