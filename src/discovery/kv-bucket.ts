import { Code } from "@connectrpc/connect";
import type { Bus, BusHeaders } from "../bus/bus.ts";
import type { Logger } from "../bus/logger.ts";
import { fault } from "../rpc/error.ts";
import { ApiErrorCode, callApi, isApiError, nanos, type StreamConfig } from "../rpc/queue/jetstream-api.ts";
import type { Bucket, BucketEntry, BucketListener, BucketWatch, PutOptions } from "./bucket.ts";
import type { DiscoveryCallOptions } from "./discovery.ts";
import { directEntry } from "./kv-entry.ts";
import { DEFAULT_TIMEOUT_MS, hasCode, storeError } from "./kv-errors.ts";
import { listEntries } from "./kv-list.ts";
import type { KvNames } from "./kv-names.ts";
import { KvWatch } from "./kv-watch.ts";
import { delay } from "./timer.ts";

/** What a bucket on a broker is told. */
export interface KvBucketOptions {
  readonly names: KvNames;
  readonly inboxPrefix: string;
  readonly storage: "memory" | "file";
  readonly replicas: number;
  readonly heartbeatMs: number;
  readonly pollMs: number;
  readonly logger: Logger;
}

/** What the broker answers to a write. */
interface PutAnswer {
  readonly seq?: number;
  readonly error?: { readonly code?: number; readonly err_code?: number; readonly description?: string };
}

/** Broker error numbers of writes. */
const WrongLastSequence: readonly (number | undefined)[] = [ApiErrorCode.wrongLastSequence, 10164];
const TTL_DISABLED = 10166;

const NOTHING = new Uint8Array(0);
const DUPLICATE_WINDOW_MS = 120_000;
/** How long the broker's own marks of what ran out stay. */
const EXPIRED_MARK_MS = 60_000;
const FIRST_RETRY_MS = 20;
const LONGEST_RETRY_MS = 500;

const decoder = new TextDecoder();

/** A key-value bucket of JetStream, spoken to directly over any bus. */
export class KvBucket implements Bucket {
  readonly #bus: Bus;
  readonly #options: KvBucketOptions;
  readonly #onRestored = new Set<() => void>();
  readonly #stopListening: () => void;
  #lastRevision = 0;
  #closed = false;
  /** When the bucket that we know was made, by the broker's clock. */
  #created: string | undefined;
  /** Whether this bucket takes times to live: brokers before 2.11 ignore them, buckets made by others may refuse them. */
  #ttl = true;

  constructor(bus: Bus, options: KvBucketOptions) {
    this.#bus = bus;
    this.#options = options;
    this.#stopListening = bus.onStatus(({ type }) => {
      if (type === "reconnect") this.#restored();
    });
    void bus.closed.then(() => this.#closed = true);
  }

  get connected(): boolean {
    return this.#bus.connected;
  }

  async get(key: string, options: DiscoveryCallOptions = {}): Promise<BucketEntry | undefined> {
    const { stream, prefix } = this.#options.names;
    const action = `read "${key}"`;
    const reply = await this.#orMissing(
      action,
      options,
      () => this.#bus.request(`$JS.API.DIRECT.GET.${stream}.${prefix}${key}`, NOTHING, options),
    );
    if (reply === undefined || reply.status === 404) return undefined;
    if (reply.status !== undefined) {
      throw fault(
        `Cannot ${action}: the broker answered ${reply.status} ${reply.statusText ?? ""}`.trimEnd(),
        Code.Unavailable,
      );
    }
    return directEntry(reply, prefix).entry;
  }

  async put(key: string, value: Uint8Array, options: PutOptions = {}): Promise<number> {
    const headers: Record<string, string> = {};
    if (options.expectedRevision !== undefined) {
      headers["Nats-Expected-Last-Subject-Sequence"] = String(options.expectedRevision);
    }
    return await this.#publishOrCreate(key, value, headers, options);
  }

  async delete(key: string, options: DiscoveryCallOptions & { ttlMs: number }): Promise<void> {
    const headers = { "KV-Operation": "PURGE", "Nats-Rollup": "sub" };
    const action = `delete "${key}"`;
    await this.#orMissing(action, options, () => this.#publish(key, NOTHING, headers, options));
  }

  async list(prefix: string, options: DiscoveryCallOptions = {}): Promise<BucketEntry[]> {
    const { names, inboxPrefix } = this.#options;
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const pattern = prefix === "" ? ">" : `${prefix}.>`;
    const list = () => listEntries(this.#bus, names, pattern, { inboxPrefix, signal, timeoutMs });
    return await this.#orMissing(`list "${pattern}"`, options, list) ?? [];
  }

  watch(listener: BucketListener): BucketWatch {
    const watch = new KvWatch(this.#bus, { ...this.#options, list: (options) => this.list("", options) }, listener);
    watch.start();
    return watch;
  }

  onRestored(listener: () => void): () => void {
    this.#onRestored.add(listener);
    return () => this.#onRestored.delete(listener);
  }

  close(): void {
    this.#stopListening();
    this.#onRestored.clear();
  }

  /** Writes; while nobody takes it, makes the bucket and tries again until the time is up. */
  async #publishOrCreate(key: string, value: Uint8Array, headers: BusHeaders, options: PutOptions): Promise<number> {
    const action = `write "${key}"`;
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const deadline = performance.now() + timeoutMs;
    for (let attempt = 0, retryMs = FIRST_RETRY_MS;; attempt++, retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS)) {
      const remaining = { ...options, timeoutMs: Math.max(1, deadline - performance.now()) };
      let error: unknown;
      try {
        return await this.#publish(key, value, headers, remaining);
      } catch (refused) {
        error = refused;
      }
      const isClosed = () => this.#closed || signal?.aborted === true;
      // What nobody takes has no stream yet, or one without leader: creating it is harmless then.
      if (hasCode(error, Code.Unavailable) && !isClosed()) {
        error = await this.#create(remaining).catch((failed) => failed) ?? error;
      }
      const isTransient = hasCode(error, Code.Unavailable) && !isClosed() && performance.now() + retryMs < deadline;
      if (!isTransient) throw storeError(error, action, options);
      if (attempt === 0) continue;
      await delay(retryMs, signal).catch((reason) => {
        throw storeError(reason, action, options);
      });
    }
  }

  async #publish(key: string, value: Uint8Array, headers: BusHeaders, options: PutOptions): Promise<number> {
    const { signal, timeoutMs, ttlMs } = options;
    const withTtl = ttlMs !== undefined && this.#ttl;
    // Whole seconds are what the broker counts in, one at least.
    const ttl = withTtl ? { "Nats-TTL": `${Math.max(1, Math.ceil(ttlMs / 1000))}s` } : undefined;
    const subject = `${this.#options.names.prefix}${key}`;
    const reply = await this.#bus.request(subject, value, { headers: { ...headers, ...ttl }, signal, timeoutMs });
    const { seq, error } = JSON.parse(decoder.decode(reply.payload)) as PutAnswer;
    if (withTtl && error?.err_code === TTL_DISABLED) {
      this.#options.logger.info("This bucket keeps records of dead instances: it was made without times to live", { subject });
      this.#ttl = false;
      return await this.#publish(key, value, headers, options);
    }
    if (error !== undefined) {
      const code = WrongLastSequence.includes(error.err_code)
        ? Code.Aborted
        : error.code === 503
        ? Code.Unavailable
        : Code.ResourceExhausted;
      throw fault(`Cannot write "${key}": ${error.description}`, code, { reason: `JS_${error.err_code}` });
    }
    const revision = seq ?? 0;
    // Counting began anew: somebody else made the bucket again, and what we wrote before is lost.
    if (revision <= this.#lastRevision) queueMicrotask(() => this.#restored());
    this.#lastRevision = revision;
    return revision;
  }

  async #create(options: DiscoveryCallOptions): Promise<void> {
    const { names, storage, replicas } = this.#options;
    const config: StreamConfig & { subject_delete_marker_ttl?: number } = {
      name: names.stream,
      subjects: [`${names.prefix}>`],
      retention: "limits",
      storage,
      num_replicas: replicas,
      max_msgs_per_subject: 1,
      discard: "new",
      duplicate_window: nanos(DUPLICATE_WINDOW_MS),
      allow_direct: true,
      allow_rollup_hdrs: true,
      deny_delete: true,
      allow_msg_ttl: true,
      subject_delete_marker_ttl: nanos(EXPIRED_MARK_MS),
    };
    try {
      const { created } = await callApi<{ created?: string }>(this.#bus, `STREAM.CREATE.${names.stream}`, config, options);
      if (created === this.#created) return;
      // Not the one that we wrote to before.
      this.#created = created;
      this.#ttl = true;
      this.#restored();
    } catch (error) {
      // It exists, made otherwise: used as it is, since changing it is for whoever made it.
      if (!isApiError(error, ApiErrorCode.streamNameInUse)) throw error;
    }
  }

  /** Runs a request; `undefined` when it fails because there is no bucket, which is not the same as no broker or no leader. */
  async #orMissing<T>(action: string, options: DiscoveryCallOptions, run: () => Promise<T>): Promise<T | undefined> {
    for (let isRepeat = false;; isRepeat = true) {
      try {
        return await run();
      } catch (error) {
        if (hasCode(error, Code.Unavailable)) {
          const bucket = await this.#find(options);
          if (bucket === "missing") return undefined;
          // It may have been made between the two questions.
          if (bucket === "there" && !isRepeat) continue;
        }
        throw storeError(error, action, options);
      }
    }
  }

  async #find(options: DiscoveryCallOptions): Promise<"there" | "missing" | "unknown"> {
    try {
      await callApi(this.#bus, `STREAM.INFO.${this.#options.names.stream}`, undefined, options);
      return "there";
    } catch (error) {
      // Clients of an account without storage of its own may read this bucket in another one's, and not ask about it: where nobody
      // answered for it, it is not there.
      const isMissing = isApiError(error, ApiErrorCode.streamNotFound) || isApiError(error, ApiErrorCode.noStorage);
      return isMissing ? "missing" : "unknown";
    }
  }

  #restored(): void {
    for (const listener of [...this.#onRestored]) listener();
  }
}
