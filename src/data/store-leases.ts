import { Code } from "@connectrpc/connect";
import { type Logger, silentLogger } from "../bus/logger.ts";
import { fault } from "../rpc/error.ts";
import { CapabilityIssuer, DEFAULT_MAX_LEASE_MS } from "../waybill/capability.ts";
import { Waybill } from "../waybill/descriptor.ts";
import { DEFAULT_LEASE_MS, LeaseTable, referenceKey } from "../waybill/lease.ts";
import type { Right } from "../waybill/rights.ts";
import { BackgroundTimer } from "./background-timer.ts";
import { checkAtLeast } from "./check.ts";
import type { HeldTensor, TensorPin } from "./held-tensor.ts";
import { StoreLedger } from "./store-ledger.ts";
import { type StoreLease, StoreObservers } from "./store-observer.ts";
import type { LeaseListing, PutOptions, ReleaseOptions, ShareOptions, StoreWay, TensorProof } from "./store-types.ts";
import { wayTo } from "./store-way.ts";

/** Expired leases wait this long for company, so that a turn of the loop ends many. */
const SWEEP_PAUSE_MS = 50;

/** What the leases of a store need. */
export interface StoreLeasesOptions {
  readonly node: string;
  readonly key: Uint8Array | undefined;
  readonly leaseMs: number | undefined;
  readonly maxLeaseMs: number | undefined;
  readonly maxLeases: number | undefined;
  readonly nowMs: (() => number) | undefined;
  readonly logger: Logger | undefined;
  /** Ways for descriptors. */
  readonly ways: () => readonly StoreWay[];
  /** Called when a lease has ended or memory was given back. */
  readonly onEnd: () => void;
}

/** A lease that a proof allows to use, and how far. */
export interface ProvenLease {
  readonly lease: StoreLease;
  readonly rights: readonly Right[];
  readonly notAfterMs: number;
}

/** The leases of one store: made, proven, renewed and ended, counted and told to who watches. */
export class StoreLeases {
  /** Who watches. */
  readonly observers: StoreObservers;
  /** What is counted. */
  readonly ledger: StoreLedger;
  readonly #options: StoreLeasesOptions;
  readonly #issuer: CapabilityIssuer;
  readonly #table: LeaseTable<HeldTensor>;
  readonly #sweeper = new BackgroundTimer(() => this.#onTimer());
  readonly #maxLeases: number;
  readonly #maxLeaseMs: number;
  readonly #nowMs: () => number;

  /** @throws {ConnectError} `invalid_argument` for a bad key, number or time */
  constructor(action: string, options: StoreLeasesOptions) {
    const { node, key, leaseMs = DEFAULT_LEASE_MS, maxLeaseMs, maxLeases, nowMs, logger = silentLogger } = options;
    this.#options = options;
    this.#issuer = CapabilityIssuer.create({ key });
    this.#maxLeases = checkAtLeast(action, "maxLeases", maxLeases ?? 1_000_000, 1);
    this.#maxLeaseMs = checkAtLeast(action, "maxLeaseMs", maxLeaseMs ?? DEFAULT_MAX_LEASE_MS, 1);
    this.#nowMs = nowMs ?? Date.now;
    this.observers = new StoreObservers(logger);
    this.ledger = new StoreLedger(node, logger);
    this.#table = new LeaseTable<HeldTensor>({
      leaseMs: Math.min(checkAtLeast(action, "leaseMs", leaseMs, 1), this.#maxLeaseMs),
      maxLeaseMs: this.#maxLeaseMs,
      nowMs: this.#nowMs,
      onEnd: (lease, reason) => {
        this.ledger.ended(reason);
        if (this.observers.any) this.observers.tell((observer) => observer.ended?.(lease, reason));
      },
      onFree: (held) => {
        this.ledger.unleased(held.byteLength);
        held.end();
      },
    });
  }

  /** Leases in the table, those past their time but not swept yet included. */
  get size(): number {
    return this.#table.size;
  }

  /** Whether neither a lease nor a pin keeps anything. */
  get idle(): boolean {
    return this.#table.size === 0 && this.ledger.pinned === 0;
  }

  /**
   * Makes the first lease on a tensor.
   *
   * @throws {ConnectError} `resource_exhausted` past `maxLeases`, `invalid_argument` for a bad time; nothing is leased then
   */
  create(held: HeldTensor, options: PutOptions): StoreLease {
    this.#mustHaveRoom();
    const lease = this.#table.create(held, this.#leaseOptions(options));
    this.ledger.held();
    this.#made(lease);
    return lease;
  }

  /** Told by a tensor whose memory was given back. */
  freed(held: HeldTensor): void {
    this.ledger.freed();
    if (this.observers.any) this.observers.tell((observer) => observer.freed?.(held));
    this.#options.onEnd();
  }

  /** The descriptor of a lease; one that cannot be signed ends. */
  async sign(lease: StoreLease, rights: readonly Right[], notAfterMs: number = lease.notAfterMs): Promise<Waybill> {
    const { reference, expiresAtMs, bufferId: held } = lease;
    try {
      return new Waybill({
        reference,
        node: this.#options.node,
        dtype: held.dtype,
        shape: held.shape,
        byteSize: held.byteLength,
        memory: held.memory,
        device: held.device,
        expiresAtMs,
        once: lease.once,
        ways: this.#options.ways().flatMap((way) => wayTo(way, reference, held.block)),
        capability: await this.#issuer.issue(reference, rights, Math.min(notAfterMs, lease.notAfterMs)),
      });
    } catch (error) {
      this.#table.release(reference);
      throw error;
    }
  }

  /**
   * The lease behind a proof, renewed.
   *
   * @throws {ConnectError} `permission_denied`, the same for everything that is wrong with the proof; `invalid_argument` for a bad time
   */
  async use({ reference, capability }: TensorProof, right: Right, leaseMs?: number): Promise<ProvenLease> {
    const { rights, notAfterMs } = await this.#issuer.verify(capability, reference, right, this.#nowMs());
    return { lease: this.#renewed(this.#table.touch(reference, leaseMs)), rights, notAfterMs };
  }

  /**
   * Pins the tensor behind a proof, in the same turn in which its lease is found: by the next one it may be gone.
   *
   * @throws {ConnectError} as `use`
   */
  async pin({ reference, capability }: TensorProof): Promise<TensorPin> {
    await this.#issuer.verify(capability, reference, "read", this.#nowMs());
    return this.#renewed(this.#table.touch(reference)).bufferId.pin();
  }

  /** Renews a lease whose proof was checked already; `undefined` when it is gone. */
  renew(reference: Uint8Array): StoreLease | undefined {
    return this.#table.get(reference) === undefined ? undefined : this.#renewed(this.#table.touch(reference));
  }

  /**
   * Makes a second lease with the rights of the first one's holder, and release.
   *
   * @throws {ConnectError} `resource_exhausted` past `maxLeases`, `invalid_argument` for a bad time
   */
  async share({ lease, rights, notAfterMs }: ProvenLease, options: ShareOptions): Promise<Waybill> {
    this.#mustHaveRoom();
    const shared = this.#table.share(lease.reference, this.#leaseOptions(options));
    this.#made(shared);
    return await this.sign(shared, [...rights.filter((right) => right !== "release"), "release"], notAfterMs);
  }

  /**
   * Ends a lease; one that is gone already is no error.
   *
   * @param options.consumed only if it is `once`, which takes the right to read alone
   * @throws {ConnectError} `permission_denied`
   */
  async release({ reference, capability }: TensorProof, { consumed = false }: ReleaseOptions = {}): Promise<void> {
    await this.#issuer.verify(capability, reference, consumed ? "read" : "release", this.#nowMs());
    if (consumed) this.#table.consumed(reference);
    else this.#table.release(reference);
    this.#options.onEnd();
  }

  /** Ends what has expired. */
  sweep(): void {
    this.#table.sweep();
  }

  /** Ends all, and tells in the log what was left. */
  close(): void {
    this.#sweeper.stop();
    this.ledger.reportLeft(this.#table);
    this.#table.clear();
  }

  /** Those that live, for listings. */
  *list(): Generator<LeaseListing> {
    for (const { reference, holder, bufferId: held, expiresAtMs, once } of this.#table) {
      const { dtype, shape, byteLength, memory, device, pins } = held;
      const id = referenceKey(reference.subarray(0, 4));
      yield { id, holder, dtype, shape, byteLength, memory, device, expiresAtMs, once, pins };
    }
  }

  #leaseOptions({ leaseMs, once, holder }: ShareOptions): ShareOptions {
    return { leaseMs: leaseMs === undefined ? undefined : Math.min(leaseMs, this.#maxLeaseMs), once, holder };
  }

  #made(lease: StoreLease): void {
    this.#sweeper.wakeIn(Math.max(SWEEP_PAUSE_MS, lease.expiresAtMs - this.#nowMs()));
    if (this.observers.any) this.observers.tell((observer) => observer.leased?.(lease));
  }

  #renewed(lease: StoreLease): StoreLease {
    if (this.observers.any) this.observers.tell((observer) => observer.renewed?.(lease));
    return lease;
  }

  #onTimer(): void {
    this.#table.sweep();
    this.ledger.reportLeaks();
    const nextMs = this.#table.nextExpiryMs();
    if (nextMs !== undefined) this.#sweeper.wakeIn(Math.max(SWEEP_PAUSE_MS, nextMs - this.#nowMs()));
    this.#options.onEnd();
  }

  #mustHaveRoom(): void {
    if (this.#table.size < this.#maxLeases) return;
    throw fault(
      `Cannot lease a tensor: the store of node "${this.#options.node}" has at most ${this.#maxLeases} leases, and all are in use`,
      Code.ResourceExhausted,
      { reason: "STORE_FULL" },
    );
  }
}
