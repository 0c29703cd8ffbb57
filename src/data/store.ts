/**
 * The tensors that one process owns.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { type Logger, silentLogger } from "../bus/logger.ts";
import { fault } from "../rpc/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { CapabilityIssuer, DEFAULT_MAX_LEASE_MS } from "../waybill/capability.ts";
import { Waybill } from "../waybill/descriptor.ts";
import { DEFAULT_LEASE_MS, type Lease, LeaseTable } from "../waybill/lease.ts";
import { ALL_RIGHTS, type Right } from "../waybill/rights.ts";
import { checkName, checkWay, type Way } from "../waybill/way.ts";
import { BackgroundTimer } from "./background-timer.ts";
import { checkAtLeast } from "./check.ts";
import { Space } from "./space.ts";
import type {
  PutOptions,
  ShareOptions,
  StoreDescription,
  StoredTensor,
  TensorProof,
  TensorStoreOptions,
} from "./store-types.ts";
import { Uploads } from "./uploads.ts";

/** What a lease keeps. An object of its own for each put: the same tensor put twice counts twice, and is freed twice. */
interface Block {
  readonly tensor: Tensor;
}

/** Expired leases wait this long for company: a sweep looks at every lease. */
const SWEEP_PAUSE_MS = 50;
/** A view of a buffer larger than this and than twice the view is copied: kept, it would hold more than it counts. */
const VIEW_SLACK_BYTES = 65_536;

/**
 * Holds tensors by lease and answers whoever proves a right. Tensors are not copied: do not write to one that was put.
 *
 * It is **open** until `close`, then **closing** (nothing new; what is there can be read and released) until the last lease has
 * ended or the given time is over, then **closed**: everything is gone.
 */
export class TensorStore implements AsyncDisposable {
  /** The node's name. */
  readonly node: string;
  /**
   * Tensors that arrive in pieces. For what serves the store.
   *
   * @ignore
   */
  readonly uploads: Uploads;
  readonly #issuer: CapabilityIssuer = CapabilityIssuer.create();
  readonly #leases: LeaseTable<Block>;
  readonly #space: Space;
  readonly #sweeper = new BackgroundTimer(() => this.#sweep());
  readonly #putWaitMs: number;
  readonly #maxLeases: number;
  readonly #maxLeaseMs: number;
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  #ways: readonly Way[] = [];
  #created = 0;
  #released = 0;
  #releasing = false;
  #leakedBytes = 0;
  #reportedLeases = 0;
  #reportedBytes = 0;
  #closing: PromiseWithResolvers<void> | undefined;

  /**
   * Makes an empty store.
   *
   * @throws {ConnectError} `invalid_argument` for a bad node name, way, size or time
   */
  constructor(options: TensorStoreOptions) {
    const action = "Cannot make a tensor store";
    this.node = checkName(action, "node", options.node);
    const budgetBytes = checkAtLeast(action, "budgetBytes", options.budgetBytes ?? 2 ** 30, 0);
    this.#putWaitMs = checkAtLeast(action, "putWaitMs", options.putWaitMs ?? 5_000, 0);
    this.#maxLeases = checkAtLeast(action, "maxLeases", options.maxLeases ?? 1_000_000, 1);
    this.#maxLeaseMs = checkAtLeast(action, "maxLeaseMs", options.maxLeaseMs ?? DEFAULT_MAX_LEASE_MS, 1);
    this.#logger = options.logger ?? silentLogger;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#space = new Space(budgetBytes, `the store of node "${this.node}"`, () => void this.#leases.sweep());
    this.#leases = new LeaseTable<Block>({
      leaseMs: Math.min(checkAtLeast(action, "leaseMs", options.leaseMs ?? DEFAULT_LEASE_MS, 1), this.#maxLeaseMs),
      maxLeaseMs: this.#maxLeaseMs,
      nowMs: this.#nowMs,
      onFree: ({ tensor }) => this.#onFree(tensor),
    });
    this.uploads = new Uploads({
      space: this.#space,
      adopt: (tensor, put) => this.#adopt(tensor, put),
      waitMs: this.#putWaitMs,
      maxUploads: checkAtLeast(action, "maxUploads", options.maxUploads ?? 256, 0),
      maxBytes: checkAtLeast(action, "maxUploadBytes", options.maxUploadBytes ?? Math.floor(budgetBytes / 2), 0),
      idleMs: checkAtLeast(action, "uploadIdleMs", options.uploadIdleMs ?? 30_000, 1),
    });
    this.advertise(options.ways ?? []);
  }

  /** Ways that new descriptors get; of `http`, the collection's URL. */
  get ways(): readonly Way[] {
    return this.#ways;
  }

  /**
   * Replaces the ways that new descriptors get, in the order of preference: once a server listens, its URL is known.
   *
   * @throws {ConnectError} `invalid_argument` for a bad way
   */
  advertise(ways: readonly Way[]): void {
    this.#ways = Object.freeze(ways.map((way) => checkWay("Cannot advertise ways", way)));
  }

  /**
   * Takes a tensor and makes a lease on it. Where there is space the tensor is in the store when this returns; the promise is for
   * the signature.
   *
   * @throws {ConnectError} `resource_exhausted` when it does not fit within `putWaitMs`, `unavailable` once closed, `canceled`
   * when the signal fires, `invalid_argument` for a bad option
   */
  async put(tensor: Tensor, options: PutOptions = {}): Promise<Waybill> {
    const waiting = this.#space.take(tensor.byteLength, { signal: options.signal, waitMs: this.#putWaitMs });
    if (waiting !== undefined) await waiting;
    return await this.#adopt(tensor, options);
  }

  /**
   * The tensor behind a proof; this renews its lease.
   *
   * @param right what it is needed for. Default `"read"`
   * @throws {ConnectError} `permission_denied`, the same for everything that is wrong with the proof
   */
  async get(proof: TensorProof, right: Right = "read"): Promise<StoredTensor> {
    const { lease } = await this.#use(proof, right);
    const { reference, expiresAtMs } = lease;
    return { tensor: lease.bufferId.tensor, expiresAtMs, slice: (offset, length) => this.#slice(reference, offset, length) };
  }

  /**
   * Makes a second lease on the same bytes, with every right that the first one's holder has, and release.
   *
   * @throws {ConnectError} `permission_denied` as `get`, `resource_exhausted` past `maxLeases`, `unavailable` once closed,
   * `invalid_argument` for a bad option
   */
  async share(proof: TensorProof, options: ShareOptions = {}): Promise<Waybill> {
    const { lease, rights, notAfterMs } = await this.#use(proof, "share");
    this.#mustBeOpen("share");
    this.#mustHaveLeases();
    const shared = this.#leases.share(lease.reference, this.#leaseOptions(options));
    this.#created++;
    return await this.#sign(shared, [...rights.filter((right) => right !== "release"), "release"], notAfterMs);
  }

  /**
   * Renews a lease.
   *
   * @param leaseMs how long it shall last from now on, at least. Default: as long as it did when it was made
   * @returns when it ends now, Unix milliseconds
   * @throws {ConnectError} `permission_denied` as `get`, `invalid_argument` for a bad time
   */
  async touch(proof: TensorProof, leaseMs?: number): Promise<number> {
    return (await this.#use(proof, "touch", leaseMs)).lease.expiresAtMs;
  }

  /**
   * Ends a lease; one that is gone already is no error.
   *
   * @throws {ConnectError} `permission_denied` as `get`
   */
  async release(proof: TensorProof): Promise<void> {
    const { reference, capability } = proof;
    await this.#issuer.verify(capability, reference, "release", this.#nowMs());
    this.#end(() => this.#leases.release(reference));
  }

  /** Ends a lease if it is `once`: the request that consumed it was acknowledged. For the owner itself. */
  consumed(reference: Uint8Array): void {
    this.#end(() => this.#leases.consumed(reference));
  }

  /** What it is and how full it is. */
  describe(): StoreDescription {
    return {
      node: this.node,
      ways: this.#ways,
      budgetBytes: this.#space.budgetBytes,
      usedBytes: this.#space.usedBytes,
      leases: this.#leases.size,
      waiting: this.#space.waiting,
      uploads: this.uploads.size,
      leakedLeases: this.#created - this.#released - this.#leases.size,
      leakedBytes: this.#leakedBytes,
    };
  }

  /**
   * Takes nothing more, waits until the last lease has ended, for `waitForReleaseMs` (default 0 ms) at most, then frees everything.
   * Safe to call twice.
   */
  async close(options: { waitForReleaseMs?: number } = {}): Promise<void> {
    if (this.#closing !== undefined) return await this.#closing.promise;
    this.#closing = Promise.withResolvers();
    this.uploads.close();
    this.#space.close(this.#closedError("put a tensor"));
    const deadline = setTimeout(() => this.#finish(), options.waitForReleaseMs ?? 0);
    if (this.#leases.size === 0 || !options.waitForReleaseMs) this.#finish();
    await this.#closing.promise;
    clearTimeout(deadline);
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Makes the first lease on a tensor whose space is taken already. */
  async #adopt(tensor: Tensor, options: PutOptions): Promise<Waybill> {
    let lease: Lease<Block>;
    try {
      this.#mustBeOpen("put a tensor");
      this.#mustHaveLeases();
      lease = this.#leases.create({ tensor: compact(tensor) }, this.#leaseOptions(options));
      this.#created++;
    } catch (error) {
      this.#space.give(tensor.byteLength);
      throw error;
    }
    try {
      return await this.#sign(lease, options.rights ?? ALL_RIGHTS, lease.notAfterMs);
    } catch (error) {
      this.#end(() => this.#leases.release(lease.reference));
      throw error;
    }
  }

  #leaseOptions({ leaseMs, once }: ShareOptions): ShareOptions {
    return { leaseMs: leaseMs === undefined ? undefined : Math.min(leaseMs, this.#maxLeaseMs), once };
  }

  async #sign(lease: Lease<Block>, rights: readonly Right[], notAfterMs: number): Promise<Waybill> {
    const { reference, expiresAtMs, bufferId: { tensor } } = lease;
    this.#sweeper.wakeIn(Math.max(SWEEP_PAUSE_MS, expiresAtMs - this.#nowMs()));
    const capability = await this.#issuer.issue(reference, rights, Math.min(notAfterMs, lease.notAfterMs));
    return new Waybill({
      reference,
      node: this.node,
      dtype: tensor.dtype,
      shape: tensor.shape,
      byteSize: tensor.byteLength,
      expiresAtMs,
      ways: this.#ways.map((way) => wayTo(way, reference)),
      capability,
    });
  }

  async #use({ reference, capability }: TensorProof, right: Right, leaseMs?: number) {
    const proven = await this.#issuer.verify(capability, reference, right, this.#nowMs());
    const lease = this.#leases.touch(reference, leaseMs);
    return { lease, rights: proven.rights, notAfterMs: proven.notAfterMs };
  }

  #slice(reference: Uint8Array, offset: number, length: number): Uint8Array | undefined {
    const lease = this.#leases.get(reference);
    if (lease === undefined) return undefined;
    return this.#leases.touch(reference).bufferId.tensor.bytes.subarray(offset, offset + length);
  }

  #end(release: () => boolean): void {
    this.#releasing = true;
    try {
      if (release()) this.#released++;
    } finally {
      this.#releasing = false;
    }
    if (this.#closing !== undefined && this.#leases.size === 0) this.#finish();
  }

  #onFree(tensor: Tensor): void {
    if (!this.#releasing) this.#leakedBytes += tensor.byteLength;
    this.#space.give(tensor.byteLength);
  }

  #sweep(): void {
    this.#leases.sweep();
    const { leakedLeases, leakedBytes } = this.describe();
    const leases = leakedLeases - this.#reportedLeases;
    if (leases > 0) {
      const bytes = leakedBytes - this.#reportedBytes;
      this.#logger.warn("Leases ended without a release", { node: this.node, leases, bytes });
    }
    this.#reportedLeases = leakedLeases;
    this.#reportedBytes = leakedBytes;
    const nextMs = this.#leases.nextExpiryMs();
    if (nextMs !== undefined) this.#sweeper.wakeIn(Math.max(SWEEP_PAUSE_MS, nextMs - this.#nowMs()));
    else if (this.#closing !== undefined) this.#finish();
  }

  #finish(): void {
    this.#sweeper.stop();
    this.#released += this.#leases.size;
    this.#releasing = true;
    this.#leases.clear();
    this.#releasing = false;
    this.#closing?.resolve();
  }

  #mustBeOpen(what: string): void {
    if (this.#closing !== undefined) throw this.#closedError(what);
  }

  #mustHaveLeases(): void {
    if (this.#leases.size < this.#maxLeases) return;
    throw fault(
      `Cannot lease a tensor: the store of node "${this.node}" has at most ${this.#maxLeases} leases, and all are in use`,
      Code.ResourceExhausted,
      { reason: "STORE_FULL" },
    );
  }

  #closedError(what: string): ConnectError {
    return new ConnectError(`Cannot ${what}: the store of node "${this.node}" is closed`, Code.Unavailable);
  }
}

function wayTo(way: Way, reference: Uint8Array): Way {
  return way.kind === "http" ? { kind: "http", url: `${way.url}/${base64Encode(reference, "url")}` } : way;
}

/** What a tensor keeps alive must be about what it counts. */
function compact(tensor: Tensor): Tensor {
  const held = tensor.bytes.buffer.byteLength;
  if (held <= Math.max(VIEW_SLACK_BYTES, 2 * tensor.byteLength)) return tensor;
  return new Tensor(tensor.dtype, tensor.shape, tensor.bytes.slice());
}
