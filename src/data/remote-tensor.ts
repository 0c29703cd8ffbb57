/**
 * A tensor that stays where it is.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { JsonValue } from "@bufbuild/protobuf";
import type { DType } from "../tensor/dtype.ts";
import { abortError } from "../rpc/error.ts";
import { printAs } from "../tensor/inspect.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { attenuateCapability } from "../waybill/capability.ts";
import type { Memory, Waybill } from "../waybill/descriptor.ts";
import { waybillFromJson, waybillFromString, waybillToJson, waybillToString } from "../waybill/encoding.ts";
import { FORWARDED_RIGHTS, type Right } from "../waybill/rights.ts";
import type { DataPlane } from "./data-plane.ts";
import { type CallOptions, withDeadline } from "../rpc/deadline.ts";
import type { FetchOptions } from "./fetch-tensor.ts";
import type { Loan } from "./lent.ts";
import { SharedPull } from "./shared-pull.ts";
import type { WayKind } from "./way-handler.ts";

// Marks remote tensors of every copy of this package.
const BRAND = Symbol.for("waybill.remote-tensor");

/**
 * A tensor's metadata and the right to use it; the bytes stay with their owner until {@linkcode fetch}. Passed on as an input, its
 * descriptor is forwarded and nothing is copied.
 *
 * It is **held** from the start, as long as the owner keeps the lease, and **released** after `release()`: then nothing can be
 * asked of the owner any more. What was fetched stays, but for a worker's memory that its sidecar lent it (the ways `shm` and
 * `ucx`): that is somebody else's from then on, and inputs' when their request has ended.
 */
export class RemoteTensor<D extends DType = DType> implements AsyncDisposable {
  readonly #plane: DataPlane;
  readonly #waybill: Waybill;
  #pull: SharedPull<Tensor>;
  #loan: Loan | undefined;
  #way: WayKind | undefined;
  #forwarded: Promise<Waybill> | undefined;
  #released: Promise<void> | undefined;

  static {
    Object.defineProperty(this.prototype, BRAND, { value: true });
    printAs(this.prototype, (remote) => `RemoteTensor ${remote}`);
  }

  /** @internal */
  constructor(plane: DataPlane, waybill: Waybill) {
    this.#plane = plane;
    this.#waybill = waybill;
    this.#pull = new SharedPull();
  }

  /**
   * A handle by a descriptor's JSON.
   *
   * @throws {ConnectError} `invalid_argument` for JSON that is no descriptor
   * @internal
   */
  static fromJSON(plane: DataPlane, json: JsonValue): RemoteTensor {
    return plane.open(waybillFromJson(json));
  }

  /**
   * A handle by a descriptor's URL-safe string.
   *
   * @throws {ConnectError} `invalid_argument` for a string that is no descriptor
   * @internal
   */
  static fromString(plane: DataPlane, text: string): RemoteTensor {
    return plane.open(waybillFromString(text));
  }

  /** What its elements are. */
  get dtype(): D {
    return this.#waybill.dtype as D;
  }

  /** Its dimensions, frozen. */
  get shape(): readonly number[] {
    return this.#waybill.shape;
  }

  /** Its size in bytes; of BYTES with the lengths. */
  get byteLength(): number {
    return this.#waybill.byteSize;
  }

  /** As {@linkcode byteLength}, by the descriptor's name for it. */
  get byteSize(): number {
    return this.#waybill.byteSize;
  }

  /** Where the bytes live. */
  get memory(): Memory {
    return this.#waybill.memory;
  }

  /** The GPU's ordinal; 0 elsewhere. */
  get device(): number {
    return this.#waybill.device;
  }

  /** The node that owns the bytes. */
  get node(): string {
    return this.#waybill.node;
  }

  /** The kind of way that the bytes came by; `undefined` before they did. */
  get way(): WayKind | undefined {
    return this.#way;
  }

  /** Whether `release()` was called. */
  get released(): boolean {
    return this.#released !== undefined;
  }

  /** The descriptor, with every right that this handle has; it holds a secret. */
  get waybill(): Waybill {
    return this.#waybill;
  }

  /**
   * The tensor itself. It is pulled once, on the first call; who asks meanwhile waits for the same bytes, and gives up alone. By the
   * ways `local`, `shm` and `ucx` it may be the owner's or the sidecar's memory: do not write to it, and see {@linkcode RemoteTensor}
   * for how long it is good.
   *
   * @throws {ConnectError} `unavailable` with each way's reason when none works, `permission_denied` when the owner says so,
   * `resource_exhausted` past `maxFetchBytes`, `canceled`, `deadline_exceeded`, `failed_precondition` after `release()`
   */
  fetch(options: FetchOptions = {}): Promise<Tensor<D>> {
    return withDeadline(`Cannot fetch ${this}`, options, async (signal) => {
      if (this.#pull.idle) this.#mustBeHeld("fetch");
      const tensor = await this.#pull.join(signal, async (pulling) => {
        const { tensor, way, loan } = await this.#plane.fetch(this.#waybill, { via: options.via, signal: pulling });
        if (pulling.aborted) {
          loan?.giveBack();
          throw abortError(pulling);
        }
        this.#way = way;
        this.#loan = loan;
        return tensor;
      });
      return tensor as Tensor<D>;
    });
  }

  /**
   * Reads a part of the bytes, without keeping them.
   *
   * @param range where to start and how many bytes to read
   * @throws {ConnectError} `out_of_range` for a range beyond the tensor, and as {@linkcode fetch}
   */
  async read(range: { offset: number; length: number }, options: FetchOptions = {}): Promise<Uint8Array> {
    this.#mustBeHeld("read");
    const { bytes, way } = await this.#plane.read(this.#waybill, range, options);
    this.#way = way;
    return bytes;
  }

  /**
   * Makes a second lease on the same bytes, which lives on when this one ends.
   *
   * @throws {ConnectError} `permission_denied` when the owner says so, `unavailable` when it cannot be reached,
   * `failed_precondition` after `release()`
   */
  async share(options: CallOptions & { leaseMs?: number } = {}): Promise<RemoteTensor<D>> {
    this.#mustBeHeld("share");
    return this.#plane.open(await this.#plane.share(this.#waybill, options)) as RemoteTensor<D>;
  }

  /**
   * Renews the lease.
   *
   * @returns when it ends now, Unix milliseconds on the owner's clock
   * @throws {ConnectError} as {@linkcode share}
   */
  async touch(options: CallOptions & { leaseMs?: number } = {}): Promise<number> {
    this.#mustBeHeld("touch");
    return await this.#plane.touch(this.#waybill, options);
  }

  /**
   * Ends the lease. Safe to call twice, and when it has ended already: never rejects. Without it the lease expires by itself.
   * Settles once the owner has answered, or has not for 5 s; need not be awaited.
   */
  release(): Promise<void> {
    if (this.#released === undefined) {
      this.#plane.forget(this);
      // First, so that both go in one message.
      this.letGo();
      this.#released = this.#plane.release(this.#waybill);
    }
    return this.#released;
  }

  /**
   * The request that had it as an input was acknowledged: ends a lease that is for one request.
   *
   * @internal
   */
  consumed(): void {
    // Whether it was released here does not matter: what was forwarded has no right to that.
    if (this.#waybill.once) void this.#plane.consumed(this.#waybill);
  }

  /**
   * Whether what was fetched is still what it was: memory that was lent may be another's once its lender is lost.
   *
   * @internal
   */
  get intact(): boolean {
    return this.#loan?.intact() ?? true;
  }

  /**
   * Gives memory back that was lent for what was fetched; another fetch asks for it anew.
   *
   * @internal
   */
  letGo(): void {
    if (this.#loan === undefined) return;
    this.#loan.giveBack();
    this.#loan = undefined;
    this.#pull = new SharedPull();
  }

  /** As `release()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /**
   * Another handle on the same lease, with those of its rights alone that are named: to hand on less than one has. Nobody can add one.
   *
   * @throws {ConnectError} `invalid_argument` for an unknown right, and when rights were dropped 8 times before
   */
  async restrict(rights: readonly Right[]): Promise<RemoteTensor<D>> {
    const capability = await attenuateCapability(this.#waybill.capability, rights);
    return this.#plane.open(this.#waybill.with({ capability })) as RemoteTensor<D>;
  }

  /** The descriptor for who gets the tensor passed on: with every right but to end this lease. */
  descriptorForForwarding(): Promise<Waybill> {
    return this.#forwarded ??= attenuateCapability(this.#waybill.capability, FORWARDED_RIGHTS)
      .then((capability) => this.#waybill.with({ capability }));
  }

  /** The descriptor's JSON, to hand it to someone else: it holds the secret. */
  toJSON(): JsonValue {
    return waybillToJson(this.#waybill);
  }

  /** The descriptor's URL-safe string, to hand it to someone else: it holds the secret. */
  toDescriptorString(): string {
    return waybillToString(this.#waybill);
  }

  /** What it is, for logs, without the secret: `FP32 [1,3] (12 bytes) on "gpu-0"`. */
  toString(): string {
    return this.#waybill.toString();
  }

  #mustBeHeld(what: string): void {
    if (this.#released === undefined) return;
    throw new ConnectError(`Cannot ${what} ${this}: it was released`, Code.FailedPrecondition);
  }
}

/** Whether a value is a {@linkcode RemoteTensor}, of whichever copy of this package. */
export function isRemoteTensor(value: unknown): value is RemoteTensor {
  return typeof value === "object" && value !== null && BRAND in value;
}
