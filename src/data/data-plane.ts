/**
 * How one process reaches tensors, its own and those of others.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { JsonValue } from "@bufbuild/protobuf";
import { type Logger, silentLogger } from "../bus/logger.ts";
import { fault } from "../rpc/error.ts";
import type { FetchObserver } from "../telemetry/observer.ts";
import { Tensor } from "../tensor/tensor.ts";
import { parseCapability, remainingBits } from "../waybill/capability-format.ts";
import { type Waybill, waybillFromMessage } from "../waybill/descriptor.ts";
import { waybillFromJson, waybillFromString } from "../waybill/encoding.ts";
import { rightsFromBits } from "../waybill/rights.ts";
import { type CallOptions, withDeadline } from "../rpc/deadline.ts";
import { fetchBytes, type FetchedBytes, type FetchedLoan, type FetchOptions, type Routes } from "./fetch-tensor.ts";
import type { Loan } from "./lent.ts";
import { HttpOwner } from "./http-owner.ts";
import type { NodeClients } from "./node-clients.ts";
import { type NearOwner, type Owner, Owners } from "./owners.ts";
import { type HttpTarget, putOnNode, putOverHttp } from "./put-tensor.ts";
import { Releases } from "./releases.ts";
import { RemoteTensor } from "./remote-tensor.ts";
import type { TensorStore } from "./store.ts";
import type { ReleaseOptions, ShareOptions } from "./store-types.ts";
import { busHandler } from "./way-bus.ts";
import { WayFailures } from "./way-failures.ts";
import type { AnyWay, WayHandler } from "./way-handler.ts";
import { httpHandler } from "./way-http.ts";
import { localHandler } from "./way-local.ts";

/** How to make a {@linkcode DataPlane}. */
export interface DataPlaneOptions {
  /** Clients of nodes' services. Default: none, so that owners are reached in this process and over HTTP only. */
  nodes?: NodeClients;
  /** Stores of this process. */
  stores?: Iterable<TensorStore>;
  /** Sends HTTP requests. Default: the fastest that the runtime has; in Node not `fetch`, for tensors' bytes. */
  fetch?: typeof globalThis.fetch;
  /** Whether a descriptor's URL may be asked: descriptors come from strangers. Default: all. */
  allowUrl?: (url: URL) => boolean;
  /** More ways, or others in place of the built-in ones: `shm` and `ucx` by a native part. */
  handlers?: readonly WayHandler[];
  /** Largest tensor that is fetched, in bytes. Default 2,147,483,648 (2 GiB). */
  maxFetchBytes?: number;
  /** Silence after which a way over HTTP is given up for the next. Default 10,000 ms. */
  stallMs?: number;
  /** Told of fetches. Default: nobody. */
  observers?: readonly FetchObserver[];
  /** Default: silent. With one, tensors that are dropped without `release()` are told at debug level. */
  logger?: Logger;
}

/** A tensor's bytes, and how they came. */
export interface FetchedTensor {
  /** The tensor. By the way `local` it is the owner's memory: do not write to it. */
  readonly tensor: Tensor;
  /** The kind of way that was taken. */
  readonly way: AnyWay["kind"];
  /** The tensor's memory, where that is somebody else's: it must not be read once that is given back. */
  readonly loan?: Loan;
}

/**
 * Where to put a tensor: a node by name, or its collection's URL over HTTP. A node is asked by its service; with the token that it
 * accepts uploads with, the bytes go over HTTP where it offers that.
 */
export type PutTarget = { readonly node: string; readonly token?: string } | HttpTarget;

/** How to put a tensor. */
export interface PutTensorOptions extends CallOptions {
  /** How long the lease lasts from its start and from each use. Default: the node's. */
  leaseMs?: number;
  /** Whether the lease ends once a request that has the tensor as an input was acknowledged. Default `false`. */
  once?: boolean;
}

/** Fetches, shares, renews and releases tensors wherever they are. */
export class DataPlane implements AsyncDisposable {
  readonly #owners: Owners;
  readonly #routes: Routes;
  readonly #handlers: Map<AnyWay["kind"], WayHandler>;
  readonly #http: HttpOwner;
  readonly #fetch: typeof globalThis.fetch;
  readonly #releases: Releases;
  readonly #maxFetchBytes: number;
  readonly #observers: readonly FetchObserver[];
  readonly #forgotten: FinalizationRegistry<string> | undefined;

  /** Makes a data plane; nothing is opened before it is used. */
  constructor(options: DataPlaneOptions = {}) {
    const { nodes, allowUrl, logger = silentLogger } = options;
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#owners = new Owners(nodes, options.stores ?? []);
    this.#http = new HttpOwner(this.#fetch, allowUrl);
    this.#observers = options.observers ?? [];
    this.#maxFetchBytes = options.maxFetchBytes ?? 2 ** 31;
    const handlers: WayHandler[] = [
      localHandler((node) => this.#owners.store(node)),
      httpHandler({ fetch: options.fetch, allowUrl, stallMs: options.stallMs }),
      busHandler(nodes),
      ...(options.handlers ?? []),
    ];
    this.#handlers = new Map(handlers.map((handler) => [handler.kind, handler]));
    const failures = new WayFailures(this.#observers, logger);
    this.#routes = { handlers: this.#handlers, nodes, onFailed: (waybill, way, why) => failures.add(waybill.node, way, why) };
    this.#releases = new Releases(this.#owners, (owner, waybills, options) => this.#release(owner, waybills, options), logger);
    if (logger !== silentLogger) {
      this.#forgotten = new FinalizationRegistry((what) => logger.debug("A tensor was dropped without release()", { what }));
    }
  }

  /** Makes a store of this process known, so that its tensors are read without leaving it. */
  addStore(store: TensorStore): void {
    this.#owners.add(store);
  }

  /** Makes a node known that this process has a session with: leases on its tensors are changed over that. */
  addNear(owner: NearOwner): void {
    this.#owners.addNear(owner);
  }

  /** Forgets a node whose session has ended. */
  removeNear(owner: NearOwner): void {
    this.#owners.removeNear(owner);
  }

  /** Adds a way, or another one in place of a built-in one. */
  addHandler(handler: WayHandler): void {
    this.#handlers.set(handler.kind, handler);
  }

  /** Forgets a store that is closed. */
  removeStore(store: TensorStore): void {
    this.#owners.remove(store);
  }

  /**
   * A handle on a tensor that is somewhere else; nothing is sent.
   *
   * @param waybill a descriptor, or its URL-safe string
   * @throws {ConnectError} `invalid_argument` for a string that is no descriptor
   */
  open(waybill: Waybill | string): RemoteTensor {
    const remote = new RemoteTensor(this, typeof waybill === "string" ? waybillFromString(waybill) : waybill);
    this.#forgotten?.register(remote, remote.toString(), remote);
    return remote;
  }

  /**
   * A handle on a tensor by its descriptor's JSON.
   *
   * @throws {ConnectError} `invalid_argument` for JSON that is no descriptor
   */
  openJson(json: JsonValue): RemoteTensor {
    return this.open(waybillFromJson(json));
  }

  /**
   * Fetches a tensor by the first way that works. {@linkcode RemoteTensor.fetch} does it once for all who ask.
   *
   * @throws {ConnectError} `unavailable` with each way's reason when none works, `permission_denied` when an owner said so,
   * `resource_exhausted` past `maxFetchBytes`, `canceled`, `deadline_exceeded`
   */
  async fetch(waybill: Waybill, options: FetchOptions = {}): Promise<FetchedTensor> {
    const { bytes, way, loan } = await this.#read(waybill, { offset: 0, length: waybill.byteSize }, options);
    try {
      return { tensor: new Tensor(waybill.dtype, waybill.shape, bytes), way, loan };
    } catch (error) {
      loan?.giveBack();
      throw error;
    }
  }

  /**
   * Reads a part of a tensor's bytes.
   *
   * @throws {ConnectError} `out_of_range` for a range beyond the tensor, and as `fetch`
   */
  async read(
    waybill: Waybill,
    range: { offset: number; length: number },
    options: FetchOptions = {},
  ): Promise<FetchedBytes> {
    const { bytes, way, loan } = await this.#read(waybill, range, options);
    if (loan === undefined) return { bytes, way };
    const copy = bytes.slice();
    loan.giveBack();
    return { bytes: copy, way };
  }

  async #read(
    waybill: Waybill,
    range: { offset: number; length: number },
    options: FetchOptions,
  ): Promise<FetchedLoan> {
    const { offset, length } = range;
    const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!whole || offset + length > waybill.byteSize) {
      throw new ConnectError(
        `Cannot read ${waybill}: the range must lie within it, got ${length} bytes at ${offset}`,
        Code.OutOfRange,
      );
    }
    if (length > this.#maxFetchBytes) {
      throw fault(
        `Cannot fetch ${waybill}: maxFetchBytes is ${this.#maxFetchBytes}, got ${length}`,
        Code.ResourceExhausted,
        { reason: "TENSOR_TOO_LARGE" },
      );
    }
    if (this.#observers.length === 0) return await fetchBytes(this.#routes, waybill, range, options);
    const watches = this.#observers.map((observer) => observer.fetch?.({ node: waybill.node, bytes: length }));
    try {
      const fetched = await fetchBytes(this.#routes, waybill, range, options);
      for (const watch of watches) watch?.ended({ way: fetched.way });
      return fetched;
    } catch (error) {
      for (const watch of watches) watch?.ended({ error });
      throw error;
    }
  }

  /**
   * Makes a second lease on a tensor, without copying it.
   *
   * @throws {ConnectError} `permission_denied` when the owner says so, `unavailable` when it cannot be reached
   */
  share(waybill: Waybill, options: ShareOptions & CallOptions = {}): Promise<Waybill> {
    const { leaseMs } = options;
    return withDeadline(`Cannot share ${waybill}`, options, async (signal) => {
      const owner = this.#owners.of(waybill);
      if (owner.kind === "local") return await owner.store.share(waybill, options);
      if (owner.kind !== "bus") return await this.#http.share(waybill, options, signal);
      const tensor = { reference: waybill.reference, capability: waybill.capability };
      const { descriptor } = await this.#client(owner.node).share({
        tensor,
        leaseMs: leaseMs ?? 0,
        once: options.once ?? false,
      }, { signal });
      if (descriptor !== undefined) return waybillFromMessage(descriptor);
      throw new ConnectError(`Cannot share ${waybill}: its owner answered without a descriptor`, Code.DataLoss);
    });
  }

  /**
   * Renews leases, with one message to each owner.
   *
   * @param options.leaseMs how long they shall last from now on, at least. Default: as long as they did when they were made
   * @returns the earliest end of them, Unix milliseconds on the owners' clocks; 0 without any
   * @throws {ConnectError} `permission_denied` when an owner says so, `unavailable` when one cannot be reached
   */
  touch(waybills: Waybill | Iterable<Waybill>, options: CallOptions & { leaseMs?: number } = {}): Promise<number> {
    const { leaseMs } = options;
    return withDeadline("Cannot touch tensors", options, async (signal) => {
      const groups = this.#owners.group("node" in waybills ? [waybills] : waybills);
      const ends = groups.map(async ({ owner, waybills }) => {
        if (owner.kind !== "bus") {
          const one = (waybill: Waybill) =>
            owner.kind === "local" ? owner.store.touch(waybill, leaseMs) : this.#http.touch(waybill, leaseMs, signal);
          return Math.min(...await Promise.all(waybills.map(one)));
        }
        const request = { tensors: waybills.map(proofOf), leaseMs: leaseMs ?? 0 };
        return Number((await this.#client(owner.node).touch(request, { signal })).expiresAtMs);
      });
      return ends.length === 0 ? 0 : Math.min(...await Promise.all(ends));
    });
  }

  /**
   * Ends a lease. Releases of one owner go together; one that fails is told at debug level, and the lease expires by itself.
   * A descriptor without that right ends nothing. Never rejects; settles once the owner has answered, or has not for 5 s. Need not be awaited.
   */
  release(waybill: Waybill): Promise<void> {
    // What was passed on to us ends with its sender's lease.
    const parts = parseCapability(waybill.capability);
    if (parts !== undefined && !rightsFromBits(remainingBits(parts)).includes("release")) return Promise.resolve();
    return this.#releases.add(waybill);
  }

  /**
   * Ends a lease that is for one request, once that was acknowledged; of others nothing. It takes the right to read alone, as who
   * consumes what was passed on has no other. As `release` otherwise.
   */
  consumed(waybill: Waybill): Promise<void> {
    return this.#releases.add(waybill, { consumed: true });
  }

  /** Settles when no release waits or is on its way. */
  flush(): Promise<void> {
    return this.#releases.flush();
  }

  /**
   * Puts a tensor into a node's store, by its service in pieces or over HTTP.
   *
   * @throws {ConnectError} `resource_exhausted` when the node has no space, `unavailable` when it cannot be reached,
   * `failed_precondition` for a node by name where no node can be found
   */
  put(target: PutTarget, tensor: Tensor, options: PutTensorOptions = {}): Promise<RemoteTensor> {
    const { leaseMs, once } = options;
    return withDeadline(`Cannot put ${tensor}`, options, async (signal) => {
      if (!("node" in target)) return this.open(await putOverHttp(this.#fetch, target, tensor, { leaseMs, once, signal }));
      const store = this.#owners.store(target.node);
      if (store !== undefined) return this.open(await store.put(tensor, { leaseMs, once, signal }));
      const { nodes } = this.#owners;
      if (nodes !== undefined) return this.open(await putOnNode(nodes, this.#fetch, target, tensor, { leaseMs, once, signal }));
      throw new ConnectError(
        `Cannot put ${tensor} on node "${target.node}": that needs a bus, or a connection to the node`,
        Code.FailedPrecondition,
      );
    });
  }

  /** Told by a {@linkcode RemoteTensor} that it was released, so that its end is no leak. */
  forget(remote: RemoteTensor): void {
    this.#forgotten?.unregister(remote);
  }

  /** Waits for releases on their way, each owner's at most 5 s, then closes kept connections. The caller and the stores stay. */
  async close(): Promise<void> {
    await this.flush();
    for (const handler of this.#routes.handlers.values()) handler.close?.();
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #release(
    owner: Owner,
    waybills: Waybill[],
    { consumed = false, signal }: ReleaseOptions & { readonly signal: AbortSignal },
  ): Promise<void> {
    if (owner.kind === "bus") await this.#client(owner.node).release({ tensors: waybills.map(proofOf), consumed }, { signal });
    else await Promise.all(waybills.map((waybill) => this.#http.release(waybill, consumed, signal)));
  }

  #client(node: string) {
    const { nodes } = this.#owners;
    if (nodes === undefined) {
      throw new ConnectError(`Cannot reach node "${node}": there is neither a bus nor a connection to it`, Code.Unavailable);
    }
    return nodes.of(node);
  }
}

function proofOf({ reference, capability }: Waybill): { reference: Uint8Array; capability: Uint8Array } {
  return { reference, capability };
}
