import { equals } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type InstanceRecord, type OperatorDeclaration, OperatorDeclarationSchema } from "../../gen/waybill/v1/discovery_pb.ts";
import { type Logger, silentLogger } from "../bus/logger.ts";
import { abortError, fault } from "../rpc/error.ts";
import type { Bucket, BucketEntry } from "./bucket.ts";
import type {
  Discovery,
  DiscoveryCallOptions,
  DiscoveryEvent,
  InstanceFilter,
  RegisterOptions,
  Registration,
  Watch,
} from "./discovery.ts";
import { CLOSED_MARK_MS, LeasedRegistration } from "./leased-registration.ts";
import {
  declarationKey,
  DECLARATIONS,
  decodeDeclaration,
  decodeInstance,
  encodeRecord,
  instanceKey,
  INSTANCES,
  mergeDeclarations,
  withoutVersion,
} from "./records.ts";
import { servedOperator } from "./resolve.ts";
import { delay, startTimer } from "./timer.ts";
import { Watcher } from "./watcher.ts";

/** What all discoveries over a store take. */
export interface BucketDiscoveryOptions {
  /** Where unreadable records and failing renewals are reported. Default: nowhere. */
  logger?: Logger;
  /** How much later than its lease an instance counts as gone: what a renewal may take to arrive. Default 1,000 ms. */
  leaseMarginMs?: number;
}

const DEFAULT_TIMEOUT_MS = 5000;
/** How long the mark of a withdrawn operator stays, so that no declarer that was cut off brings it back. */
const UNDECLARED_MARK_MS = 24 * 3600_000;
const DECLARE_AGAIN_MS = 1000;
const MAX_DECLARE_ATTEMPTS = 100;

const decoder = new TextDecoder();

/** Discovery over any small key-value store. */
export class BucketDiscovery implements Discovery {
  readonly #bucket: Bucket;
  readonly #logger: Logger;
  readonly #marginMs: number;
  readonly #registrations = new Set<LeasedRegistration>();
  readonly #watches = new Set<Watcher>();
  /** What was declared through this object, to be declared again where the store lost it. */
  readonly #declared = new Map<string, OperatorDeclaration>();
  readonly #stopListening: () => void;
  #stopRetry: () => void = () => {};

  constructor(bucket: Bucket, options: BucketDiscoveryOptions) {
    this.#bucket = bucket;
    this.#logger = options.logger ?? silentLogger;
    this.#marginMs = options.leaseMarginMs ?? 1000;
    this.#stopListening = bucket.onRestored(() => void this.#declareAgain());
  }

  async declare(declaration: OperatorDeclaration, options: DiscoveryCallOptions = {}): Promise<OperatorDeclaration> {
    const { name } = declaration;
    const merged = await this.#change(`declare "${name}"`, name, (stored) => mergeDeclarations(stored, declaration), options);
    const key = declarationKey(name);
    this.#declared.set(key, mergeDeclarations(this.#declared.get(key), declaration));
    return merged;
  }

  async withdraw(name: string, version: string, options: DiscoveryCallOptions = {}): Promise<OperatorDeclaration | undefined> {
    const key = declarationKey(name);
    const own = this.#declared.get(key);
    const remaining = own && withoutVersion(own, version);
    if (remaining !== undefined) this.#declared.set(key, remaining);
    else if (own?.versions.includes(version)) this.#declared.delete(key);
    const action = `withdraw version ${version} of "${name}"`;
    return await this.#change(action, name, (stored) => stored && withoutVersion(stored, version), options);
  }

  /** Writes what a declaration becomes; again from the start where somebody else was faster. */
  async #change<T extends OperatorDeclaration | undefined>(
    action: string,
    name: string,
    change: (stored: OperatorDeclaration | undefined) => T,
    options: DiscoveryCallOptions,
  ): Promise<T> {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const key = declarationKey(name);
    const deadline = performance.now() + timeoutMs;
    for (let attempt = 1;; attempt++) {
      const remaining = { signal, timeoutMs: Math.max(1, deadline - performance.now()) };
      const entry = await this.#bucket.get(key, remaining);
      const stored = entry && this.#readDeclaration(entry);
      const changed = change(stored);
      try {
        if (changed !== undefined && (stored === undefined || !equals(OperatorDeclarationSchema, stored, changed))) {
          const value = encodeRecord(OperatorDeclarationSchema, changed);
          await this.#bucket.put(key, value, { ...remaining, expectedRevision: entry?.revision ?? 0 });
        }
        return changed;
      } catch (error) {
        if (!(error instanceof ConnectError) || error.code !== Code.Aborted) throw error;
        if (attempt >= MAX_DECLARE_ATTEMPTS || performance.now() >= deadline) {
          throw fault(
            `Cannot ${action}: others changed it ${attempt} times in ${timeoutMs} ms`,
            Code.Aborted,
            { operator: name },
            error,
          );
        }
        await delay(Math.random() * Math.min(100, 5 * attempt), signal).catch((reason) => {
          throw signal === undefined ? reason : abortError(signal);
        });
      }
    }
  }

  async undeclare(name: string, options?: DiscoveryCallOptions): Promise<void> {
    const key = declarationKey(name);
    this.#declared.delete(key);
    await this.#bucket.delete(key, { ...options, ttlMs: UNDECLARED_MARK_MS });
  }

  async declaration(name: string, options?: DiscoveryCallOptions): Promise<OperatorDeclaration | undefined> {
    const entry = await this.#bucket.get(declarationKey(name), options);
    return entry && this.#readDeclaration(entry);
  }

  async declarations(options?: DiscoveryCallOptions): Promise<OperatorDeclaration[]> {
    const entries = await this.#bucket.list(DECLARATIONS, options);
    const found = entries.map((entry) => this.#readDeclaration(entry)).filter((declaration) => declaration !== undefined);
    return found.sort((a, b) => a.name < b.name ? -1 : 1);
  }

  async register(record: InstanceRecord, options: RegisterOptions = {}): Promise<Registration> {
    const registration: LeasedRegistration = new LeasedRegistration(this.#bucket, record, options, {
      logger: this.#logger,
      marginMs: this.#marginMs,
      onClosed: () => this.#registrations.delete(registration),
    });
    await registration.start(options);
    this.#registrations.add(registration);
    return registration;
  }

  async forget(instance: string, options?: DiscoveryCallOptions): Promise<void> {
    await this.#bucket.delete(instanceKey(instance), { ...options, ttlMs: CLOSED_MARK_MS });
  }

  async instances(filter: InstanceFilter = {}, options?: DiscoveryCallOptions): Promise<InstanceRecord[]> {
    const entries = await this.#bucket.list(INSTANCES, options);
    const alive = entries.map((entry) => this.#readInstance(entry)).filter((record) => record !== undefined);
    const { operator, version } = filter;
    return operator === undefined ? alive : alive.filter((record) => servedOperator(record, operator, version) !== undefined);
  }

  async instance(id: string, options?: DiscoveryCallOptions): Promise<InstanceRecord | undefined> {
    const entry = await this.#bucket.get(instanceKey(id), options);
    return entry && this.#readInstance(entry);
  }

  async watch(listener: (event: DiscoveryEvent) => void, options: DiscoveryCallOptions = {}): Promise<Watch> {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    if (signal?.aborted === true) throw abortError(signal);
    const watcher = new Watcher(listener, this.#logger, this.#marginMs, () => {
      signal?.removeEventListener("abort", onAbort);
      this.#watches.delete(watcher);
    });
    const onAbort = () => {
      watcher.failed(abortError(signal as AbortSignal));
      void watcher.close();
    };
    const stopTimer = startTimer(() => {
      watcher.failed(fault(`Cannot watch discovery: the store was not reached within ${timeoutMs} ms`, Code.Unavailable));
    }, timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#watches.add(watcher);
    watcher.start(this.#bucket);
    try {
      await watcher.ready;
      return watcher;
    } catch (error) {
      await watcher.close();
      throw error;
    } finally {
      stopTimer();
    }
  }

  /** Deletes the records of its registrations and ends its watches. Declarations stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening();
    this.#stopRetry();
    this.#declared.clear();
    await Promise.all([...this.#registrations, ...this.#watches].map((held) => held.close()));
    this.#bucket.close();
  }

  #readDeclaration(entry: BucketEntry): OperatorDeclaration | undefined {
    return entry.deleted === undefined ? this.#read(entry, decodeDeclaration) : undefined;
  }

  #readInstance(entry: BucketEntry): InstanceRecord | undefined {
    const record = entry.deleted === undefined ? this.#read(entry, decodeInstance) : undefined;
    return record !== undefined && (entry.ageMs ?? 0) > record.leaseMs + this.#marginMs ? undefined : record;
  }

  #read<T>(entry: BucketEntry, decode: (key: string, text: string) => T): T | undefined {
    try {
      return decode(entry.key, decoder.decode(entry.value));
    } catch (error) {
      this.#logger.warn("Ignored an unreadable record in discovery", { key: entry.key, error });
      return undefined;
    }
  }

  /** Only where there is no trace of it: a mark says that somebody withdrew it. */
  async #declareAgain(): Promise<void> {
    this.#stopRetry();
    for (const [key, declaration] of [...this.#declared]) {
      try {
        const entry = await this.#bucket.get(key);
        if (entry === undefined) await this.declare(declaration);
        else if (entry.deleted !== undefined) this.#declared.delete(key);
      } catch (error) {
        this.#logger.warn("Could not declare an operator again", { operator: declaration.name, error });
        // A broker that has just come back may take a while to open its store.
        this.#stopRetry();
        this.#stopRetry = startTimer(() => void this.#declareAgain(), DECLARE_AGAIN_MS);
      }
    }
  }
}
