/**
 * The tensors that one process owns.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { silentLogger } from "../bus/logger.ts";
import type { DType } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { capabilityDenied } from "../waybill/capability.ts";
import type { Waybill } from "../waybill/descriptor.ts";
import { ALL_RIGHTS, type Right } from "../waybill/rights.ts";
import { checkName, type Way } from "../waybill/way.ts";
import { checkAtLeast } from "./check.ts";
import { HeldTensor, type TensorPin } from "./held-tensor.ts";
import { heapBlock, type MemoryBlock, type TensorMemory } from "./memory.ts";
import { AllocatedTensor, type Reservation, Reservations } from "./reservations.ts";
import { type Room, Rooms } from "./rooms.ts";
import { Space } from "./space.ts";
import { StoreLeases } from "./store-leases.ts";
import type { StoreLease, StoreObserver } from "./store-observer.ts";
import type {
  LeaseListing,
  PutOptions,
  ReleaseOptions,
  ReserveOptions,
  ShareOptions,
  StoreDescription,
  StoredTensor,
  StoreWay,
  TensorProof,
  TensorStoreOptions,
} from "./store-types.ts";
import { checkStoreWay, isReachable } from "./store-way.ts";
import { sizeOf } from "./tensor-size.ts";
import { Uploads } from "./uploads.ts";

/**
 * Holds tensors by lease and answers whoever proves a right. On the heap tensors are not copied: do not write to one that was put.
 * With `memory` they are kept there: what `allocate` gave is there already, all else is copied once.
 *
 * It is **open** until `close`, then **closing** (nothing new; what is there can be read and released) until the last lease and the
 * last pin have ended or the given time is over, then **closed**: everything is gone.
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
  readonly #leases: StoreLeases;
  readonly #space: Space;
  readonly #memory: TensorMemory | undefined;
  readonly #rooms: Rooms;
  readonly #reservations: Reservations;
  #ways: readonly StoreWay[] = [];
  #closing: PromiseWithResolvers<void> | undefined;

  /**
   * Makes an empty store.
   *
   * @throws {ConnectError} `invalid_argument` for a bad node name, way, key, size or time
   */
  constructor(options: TensorStoreOptions) {
    const action = "Cannot make a tensor store";
    this.node = checkName(action, "node", options.node);
    const budgetBytes = checkAtLeast(action, "budgetBytes", options.budgetBytes ?? 2 ** 30, 0);
    const putWaitMs = checkAtLeast(action, "putWaitMs", options.putWaitMs ?? 5_000, 0);
    const { key, leaseMs, maxLeaseMs, maxLeases, nowMs, logger = silentLogger, memory } = options;
    this.#leases = new StoreLeases(action, {
      node: this.node,
      key,
      leaseMs,
      maxLeaseMs,
      maxLeases,
      nowMs,
      logger,
      ways: () => this.#ways,
      onEnd: () => this.#finishIfDone(),
    });
    this.#memory = memory;
    const largestFree = memory && (() => memory.usage().largestFreeBytes);
    this.#space = new Space(budgetBytes, `the store of node "${this.node}"`, () => this.#leases.sweep(), largestFree);
    this.#rooms = new Rooms(this.#space, memory, putWaitMs);
    this.#reservations = new Reservations(
      checkAtLeast(action, "reserveMs", options.reserveMs ?? 600_000, 1),
      (tensors, bytes) => logger.warn("Allocated tensors were never put", { node: this.node, tensors, bytes }),
    );
    this.uploads = new Uploads({
      take: (byteLength, signal) => this.#rooms.take(byteLength, { signal }),
      adopt: (room, tensor, put) => this.#adopt(room, tensor, put),
      maxUploads: checkAtLeast(action, "maxUploads", options.maxUploads ?? 256, 0),
      maxBytes: checkAtLeast(action, "maxUploadBytes", options.maxUploadBytes ?? Math.floor(budgetBytes / 2), 0),
      idleMs: checkAtLeast(action, "uploadIdleMs", options.uploadIdleMs ?? 30_000, 1),
    });
    this.advertise(options.ways ?? []);
  }

  /** Ways that new descriptors get; of `http`, the collection's URL. */
  get ways(): readonly StoreWay[] {
    return this.#ways;
  }

  /**
   * Replaces the ways that new descriptors get, in the order of preference: once a server listens, its URL is known.
   *
   * @throws {ConnectError} `invalid_argument` for a bad way
   */
  advertise(ways: readonly StoreWay[]): void {
    this.#ways = Object.freeze(ways.map((way) => checkStoreWay("Cannot advertise ways", way)));
  }

  /**
   * Takes a tensor and makes a lease on it. Where there is space the tensor is in the store when this returns; the promise is for
   * the signature. One that lies in memory from `allocate` takes that with it, whoever put a tensor over it.
   *
   * @throws {ConnectError} `resource_exhausted` when it does not fit within `putWaitMs`, `unavailable` once closed, `canceled`
   * when the signal fires, `invalid_argument` for a bad option
   */
  async put(tensor: Tensor, options: PutOptions = {}): Promise<Waybill> {
    const reserved = this.#reservations.find(tensor.bytes)?.claim();
    if (reserved !== undefined) return await this.#adopt(reserved, tensor, options);
    const taking = this.#rooms.take(tensor.byteLength, { signal: options.signal });
    const room = taking instanceof Promise ? await taking : taking;
    room.fill(tensor.bytes);
    return await this.#adopt(room, tensor, options);
  }

  /**
   * A tensor to write, in the store's memory, so that putting it copies nothing. What is not put is given back by disposing of it,
   * or after `reserveMs`: then its memory is another's. Its contents are whatever was there before.
   *
   * @throws {ConnectError} `invalid_argument` for BYTES, whose size a shape does not tell; as `reserve`
   */
  async allocate<D extends DType>(
    dtype: D,
    shape: readonly number[],
    options: Pick<ReserveOptions, "signal"> = {},
  ): Promise<AllocatedTensor<D>> {
    const reservation = await this.reserve(dtype, shape, { signal: options.signal });
    const { bytes } = reservation.block;
    if (bytes !== undefined) return new AllocatedTensor(dtype, shape, bytes, reservation);
    reservation[Symbol.dispose]();
    throw new ConnectError(
      `Cannot allocate a tensor: the store's memory must be written by the processor`,
      Code.FailedPrecondition,
    );
  }

  /**
   * Takes memory of any kind for a tensor; `commit` makes it one. What is not committed is given back as with `allocate`.
   *
   * @throws {ConnectError} `invalid_argument` for a bad dtype, shape or size, `failed_precondition` for a kind of memory that is not
   * there, `resource_exhausted` and `unavailable` as `put`
   */
  async reserve(dtype: DType, shape: readonly number[], options: ReserveOptions = {}): Promise<Reservation> {
    const byteLength = sizeOf("Cannot allocate a tensor", dtype, shape, options.byteLength);
    const room = await this.#rooms.take(byteLength, options);
    return this.#reservations.add(room, room.block ?? heapBlock(byteLength), { dtype, shape: Object.freeze(shape.slice()) });
  }

  /**
   * Makes a lease on what was written into reserved memory.
   *
   * @throws {ConnectError} `failed_precondition` for one that has ended, `unavailable` once closed, `invalid_argument` where the bytes
   * are no tensor of its dtype and shape
   */
  async commit(reservation: Reservation, options: PutOptions = {}): Promise<Waybill> {
    const room = reservation.claim();
    if (room === undefined) {
      throw new ConnectError(
        "Cannot commit a tensor: its memory must be reserved, got one that has ended",
        Code.FailedPrecondition,
      );
    }
    const { dtype, shape, block } = reservation;
    const content = room.block === undefined ? new Tensor(dtype, shape, block.bytes as Uint8Array) : reservation;
    return await this.#adopt(room, content, options);
  }

  /**
   * Takes a tensor that is in memory of somebody else's, such as a worker's own segment; the store frees that when the tensor's time
   * is over, or at once when this fails.
   *
   * @throws {ConnectError} as `put`, and `invalid_argument` where the bytes are no tensor of that dtype and shape
   */
  async adopt(
    tensor: { readonly dtype: DType; readonly shape: readonly number[]; readonly block: MemoryBlock },
    options: PutOptions = {},
  ): Promise<Waybill> {
    let room: Room;
    try {
      sizeOf("Cannot adopt a tensor", tensor.dtype, tensor.shape, tensor.block.byteLength);
      room = await this.#rooms.takeFor(tensor.block, { signal: options.signal });
    } catch (error) {
      tensor.block.free();
      throw error;
    }
    return await this.#adopt(room, tensor, options);
  }

  /**
   * The tensor behind a proof; this renews its lease.
   *
   * @param right what it is needed for. Default `"read"`
   * @throws {ConnectError} `permission_denied`, the same for everything that is wrong with the proof
   */
  async get(proof: TensorProof, right: Right = "read"): Promise<StoredTensor> {
    const { lease } = await this.#leases.use(proof, right);
    const { reference, expiresAtMs, bufferId: held } = lease;
    const { dtype, shape, byteLength } = held;
    const renew = () => this.#leases.renew(reference);
    return {
      dtype,
      shape,
      byteLength,
      expiresAtMs,
      get tensor() {
        // Of memory that is used again only while the lease lives.
        if (held.block !== undefined && renew() === undefined) throw capabilityDenied();
        return held.tensor();
      },
      slice: (offset, length) => renew()?.bufferId.slice(offset, length),
    };
  }

  /**
   * Keeps a tensor's memory where it is until the pin is released, whatever becomes of its leases; this renews the lease. A pin ends
   * with whoever holds it: see `PinHolder`.
   *
   * @throws {ConnectError} `permission_denied` as `get`
   */
  async pin(proof: TensorProof): Promise<TensorPin> {
    return await this.#leases.pin(proof);
  }

  /**
   * Makes a second lease on the same bytes, with every right that the first one's holder has, and release.
   *
   * @throws {ConnectError} `permission_denied` as `get`, `resource_exhausted` past `maxLeases`, `unavailable` once closed,
   * `invalid_argument` for a bad option
   */
  async share(proof: TensorProof, options: ShareOptions = {}): Promise<Waybill> {
    const proven = await this.#leases.use(proof, "share");
    this.#mustBeOpen("share");
    return await this.#leases.share(proven, options);
  }

  /**
   * Renews a lease.
   *
   * @param leaseMs how long it shall last from now on, at least. Default: as long as it did when it was made
   * @returns when it ends now, Unix milliseconds
   * @throws {ConnectError} `permission_denied` as `get`, `invalid_argument` for a bad time
   */
  async touch(proof: TensorProof, leaseMs?: number): Promise<number> {
    return (await this.#leases.use(proof, "touch", leaseMs)).lease.expiresAtMs;
  }

  /**
   * Ends a lease; one that is gone already is no error.
   *
   * @throws {ConnectError} `permission_denied` as `get`
   */
  async release(proof: TensorProof, options: ReleaseOptions = {}): Promise<void> {
    await this.#leases.release(proof, options);
  }

  /** Notes that bytes were read by a way, which renews the lease where it lives. For what serves the store: it has checked the proof. */
  used(reference: Uint8Array, way: Way["kind"], bytes: number): void {
    this.#leases.renew(reference);
    this.served(way, bytes);
  }

  /** Counts bytes that were read by a way. For what serves the store. */
  served(way: Way["kind"], bytes: number): void {
    this.#leases.ledger.served(way, bytes);
  }

  /** Tells somebody of leases and memory from now on; the returned function ends that. */
  watch(observer: StoreObserver): () => void {
    return this.#leases.observers.add(observer);
  }

  /** The leases that live, for who may see them all. */
  list(): Iterable<LeaseListing> {
    return this.#leases.list();
  }

  /** What it is and how full it is. */
  describe(): StoreDescription {
    const { pinned, leakedLeases, leakedBytes, servedBytes } = this.#leases.ledger;
    return {
      node: this.node,
      ways: this.#ways.filter(isReachable),
      budgetBytes: this.#space.budgetBytes,
      usedBytes: this.#space.usedBytes,
      leases: this.#leases.size,
      pinned,
      reserved: this.#reservations.size,
      memory: this.#memory?.usage(),
      servedBytes,
      waiting: this.#space.waiting,
      uploads: this.uploads.size,
      leakedLeases,
      leakedBytes,
    };
  }

  /**
   * Takes nothing more, waits until the last lease and the last pin have ended, for `waitForReleaseMs` (default 0 ms) at most, then
   * frees everything but what is pinned, and tells in the log what was still held. Safe to call twice.
   */
  async close(options: { waitForReleaseMs?: number } = {}): Promise<void> {
    if (this.#closing !== undefined) return await this.#closing.promise;
    this.#closing = Promise.withResolvers();
    this.uploads.close();
    this.#reservations.close();
    this.#space.close(this.#closedError("put a tensor"));
    const deadline = setTimeout(() => this.#finish(), options.waitForReleaseMs ?? 0);
    if (!options.waitForReleaseMs) this.#finish();
    else this.#finishIfDone();
    await this.#closing.promise;
    clearTimeout(deadline);
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Makes the first lease on a tensor whose room is taken already. */
  async #adopt(
    room: Room,
    content: Tensor | { readonly dtype: DType; readonly shape: readonly number[] },
    options: PutOptions,
  ): Promise<Waybill> {
    let lease: StoreLease;
    try {
      this.#mustBeOpen("put a tensor");
      lease = this.#leases.create(new HeldTensor(room, content, (held) => this.#leases.freed(held)), options);
    } catch (error) {
      room.give();
      throw error;
    }
    return await this.#leases.sign(lease, options.rights ?? ALL_RIGHTS);
  }

  #finishIfDone(): void {
    if (this.#closing !== undefined && this.#leases.idle) this.#finish();
  }

  #finish(): void {
    this.#leases.close();
    this.#closing?.resolve();
  }

  #mustBeOpen(what: string): void {
    if (this.#closing !== undefined) throw this.#closedError(what);
  }

  #closedError(what: string): ConnectError {
    return new ConnectError(`Cannot ${what}: the store of node "${this.node}" is closed`, Code.Unavailable);
  }
}
