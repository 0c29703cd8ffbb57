import { Code, ConnectError } from "@connectrpc/connect";
import { loadNative, locateUcx, type NativeAddon, UCX_EVENT_DOUBLES, type UcxWireHandle } from "../../native/mod.ts";
import type { CallOptions } from "../../rpc/deadline.ts";
import { abortError, fault } from "../../rpc/error.ts";
import { formatUcxAddress, versionRefusal } from "./address.ts";
import { readDescription, type UcxDescription } from "./description.ts";
import { Fetching, type UcxFetch, type UcxRequest } from "./fetching.ts";
import { UcxLease, type UcxPublication } from "./lease.ts";
import type { UcxMemory } from "./memory.ts";
import { checkUcxOptions, type UcxTuning, type UcxWireOptions } from "./options.ts";
import { EVENT } from "./events.ts";
import { fetchError, OUTCOME } from "./outcome.ts";
import { UcxPeers } from "./peers.ts";
import { FetchRecords, LeaseRecords } from "./records.ts";
import { Slots } from "./slots.ts";

const RECORDS = 1024;
const FETCHES_AT_ONCE = 64;
const DEFAULT_TIMEOUT_MS = 30_000;
const OPENING = 0;

/**
 * This process's end of UCX: others fetch what it publishes, and it fetches from others, from registered memory to registered
 * memory. A thread of its own does all of it; capabilities are checked there before a byte moves.
 *
 * It is **open** from `open` on, **closing** from `close()` on (every fetch has failed, nothing is sent any more), then **closed**.
 */
export class UcxWire implements AsyncDisposable {
  readonly #addon: NativeAddon;
  readonly #library: { readonly path: string; readonly version: string };
  readonly #tuning: UcxTuning;
  readonly #options: UcxWireOptions;
  readonly #events = new Float64Array(RECORDS * UCX_EVENT_DOUBLES);
  readonly #wire: UcxWireHandle;
  readonly #peers: UcxPeers;
  readonly #slots = new Slots();
  readonly #fetches = new FetchRecords(FETCHES_AT_ONCE);
  readonly #publication = new LeaseRecords();
  readonly #leases = new Map<number, UcxLease>();
  /** What waits for one record: by its kind and number. */
  readonly #waiting = new Map<string, (value: number) => void>();
  /** The thread's end; it ends by itself where it could not open. */
  readonly #ended = Promise.withResolvers<void>();
  #lastId = 0;
  #lastMemory = 0;
  #port = 0;
  #closing: Promise<void> | undefined;

  private constructor(addon: NativeAddon, library: { path: string; version: string }, options: UcxWireOptions) {
    this.#addon = addon;
    this.#library = library;
    this.#options = options;
    const tuning = this.#tuning = checkUcxOptions(options);
    this.#wire = addon.ucxOpen(
      this.#events,
      (count) => this.#told(count),
      tuning.host,
      tuning.port,
      tuning.settings,
      options.key,
      tuning.pieceBytes,
      tuning.windowPieces,
      tuning.spinMicros,
      tuning.connectTimeoutMs,
      tuning.stallMs,
    );
    this.#peers = new UcxPeers(addon, this.#wire);
  }

  /**
   * Opens the library, starts the thread and listens.
   *
   * @throws {ConnectError} `unavailable` where there is no addon, no UCX, or UCX cannot do what is asked; `invalid_argument`
   */
  static async open(options: UcxWireOptions): Promise<UcxWire> {
    checkUcxOptions(options);
    const { addon, unavailable } = options.addon === undefined ? loadNative() : { addon: options.addon };
    if (addon === undefined) throw noUcx(unavailable);
    const paths = options.libraries ?? await locatedLibrary();
    const library = addon.ucxLoad(paths.join("\n"));
    if (library.unavailable !== undefined) throw noUcx(library.unavailable);
    const wire = new UcxWire(addon, library, options);
    const status = await wire.#record(EVENT.opened, OPENING);
    const failed = status === 0 ? await wire.#missingDevice() : addon.ucxTakeText(wire.#wire, OPENING);
    if (failed === undefined) return wire;
    await wire.close();
    throw noUcx(failed);
  }

  /** Where others reach it, `host:port`. */
  get address(): string {
    return formatUcxAddress(this.#tuning.advertiseHost, this.#options.advertisePort ?? this.#port);
  }

  /** UCX's version. Part of the address: see {@linkcode refusal}. */
  get version(): string {
    return this.#library.version;
  }

  /** Why a peer of that version must not be asked; `undefined` when it may. */
  refusal(version: string): string | undefined {
    return versionRefusal(version, this.version);
  }

  /** What it is: library, transports, devices, connections and what carries them. */
  async describe(): Promise<UcxDescription> {
    this.#mustBeOpen();
    const question = ++this.#lastId;
    this.#addon.ucxDescribe(this.#wire, question);
    await this.#record(EVENT.described, question);
    const text = this.#addon.ucxTakeText(this.#wire, question);
    const { path: library, version } = this.#library;
    const { address } = this;
    return { library, version, address, ...readDescription(text, (peer) => this.#peers.addressOf(peer)) };
  }

  /**
   * Registers memory, once for all that is read from it and written to it. Give it a whole segment.
   *
   * @throws {ConnectError} `unavailable` when UCX cannot
   */
  addMemory(bytes: Uint8Array): Promise<UcxMemory> {
    return this.#addMemory(bytes.byteLength, (id) => this.#addon.ucxAddMemory(this.#wire, id, bytes));
  }

  /**
   * Registers a GPU's memory.
   *
   * @throws {ConnectError} `unavailable` when UCX cannot, or there is no such device
   */
  addDeviceMemory(address: number, byteLength: number, device: number): Promise<UcxMemory> {
    return this.#addMemory(byteLength, (id) => this.#addon.ucxAddDeviceMemory(this.#wire, id, address, byteLength, device));
  }

  /** Removes memory. Settles once nothing reads or writes it. */
  async removeMemory({ id }: UcxMemory): Promise<void> {
    this.#mustBeOpen();
    this.#addon.ucxRemoveMemory(this.#wire, id);
    await this.#record(EVENT.memoryRemoved, id);
    if (this.#closing === undefined) this.#addon.ucxForgetMemory(this.#wire, id);
  }

  /** Lets peers read bytes by a lease. In force when it returns. */
  publish(publication: UcxPublication): UcxLease {
    this.#mustBeOpen();
    const id = ++this.#lastId;
    const { memory, ...rest } = publication;
    this.#addon.ucxPublish(this.#wire, this.#publication.write({ ...rest, memory: memory.id, id }));
    const lease = new UcxLease(this.#addon, this.#wire, publication.reference.slice(), {
      freed: async () => {
        if (this.#closing === undefined) await this.#record(EVENT.freed, id);
        else await this.#closing;
        this.#leases.delete(id);
      },
      // What was read of it just before is told after.
      ended: () => setTimeout(() => this.#leases.delete(id), 1_000).unref?.(),
      open: () => this.#closing === undefined,
    });
    this.#leases.set(id, lease);
    return lease;
  }

  /**
   * Fetches tensors. Those that are asked for in one turn of the event loop go to their owner together.
   *
   * @param options `timeoutMs` is 30,000 unless told otherwise
   * @throws {ConnectError} `invalid_argument` for a bad address
   */
  fetch(requests: readonly UcxRequest[], options: CallOptions = {}): UcxFetch {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const fetching = new Fetching(requests.length);
    const tokens: number[] = [];
    for (let index = 0; index < requests.length; index++) {
      const peer = this.#peers.numberOf(requests[index]!.address);
      if (typeof peer === "number") this.#start(fetching, index, requests[index]!, peer, timeoutMs, signal, tokens);
      else void this.#startLater(fetching, index, requests[index]!, peer, timeoutMs, signal, tokens);
    }
    if (signal !== undefined) {
      const onAbort = () => this.#cancel(fetching, tokens);
      signal.addEventListener("abort", onAbort, { once: true });
      fetching.onSettled = () => signal.removeEventListener("abort", onAbort);
    }
    return fetching;
  }

  /** Fails every fetch, closes every connection and ends the thread. Takes part of a second at most. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#flush();
    this.#addon.ucxAwait(this.#wire, true);
    this.#addon.ucxClose(this.#wire);
    await this.#ended.promise;
    for (const { fetching, index, from } of this.#slots.drain()) {
      fetching.settled(index, fetchError(OUTCOME.canceled, from, ""));
      fetching.released();
    }
    for (const settle of this.#waiting.values()) settle(0);
    this.#waiting.clear();
    this.#addon.ucxRelease(this.#wire);
  }

  /** UCX only warns of a device that is not there, and goes on without it. */
  async #missingDevice(): Promise<string | undefined> {
    const { devices: wanted } = this.#options;
    if (wanted === undefined) return undefined;
    const { devices } = await this.describe();
    const missing = wanted.filter((device) => !devices.includes(device));
    if (missing.length === 0) return undefined;
    return `its devices must be among ${devices.join(", ") || "none"}, got ${missing.join(", ")}`;
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw new ConnectError("Cannot use the UCX wire: it is closed", Code.FailedPrecondition);
  }

  async #addMemory(byteLength: number, add: (id: number) => void): Promise<UcxMemory> {
    this.#mustBeOpen();
    const id = ++this.#lastMemory;
    add(id);
    const status = await this.#record(EVENT.memoryAdded, id);
    if (status === 0) return { id, byteLength };
    this.#addon.ucxForgetMemory(this.#wire, id);
    throw fault(
      `Cannot register ${byteLength} bytes with UCX: ${this.#addon.ucxStatusText(status)}`,
      Code.Unavailable,
      { reason: "UCX_UNAVAILABLE" },
    );
  }

  async #startLater(
    fetching: Fetching,
    index: number,
    request: UcxRequest,
    peer: Promise<number>,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    tokens: number[],
  ): Promise<void> {
    let number: number;
    try {
      number = await peer;
    } catch (cause) {
      const error = new ConnectError(
        `Cannot fetch a tensor over UCX from "${request.address}": its name must be known, and is not`,
        Code.Unavailable,
        undefined,
        undefined,
        cause,
      );
      fetching.settled(index, error);
      fetching.released();
      return;
    }
    this.#start(fetching, index, request, number, timeoutMs, signal, tokens);
  }

  #start(
    fetching: Fetching,
    index: number,
    request: UcxRequest,
    peer: number,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    tokens: number[],
  ): void {
    const { waybill, address, destination, offset = 0, length } = request;
    const { dtype, shape, byteSize, reference, capability } = waybill;
    const from = { address, dtype, shape, byteSize };
    const fail = (error: ConnectError) => {
      fetching.settled(index, error);
      fetching.released();
    };
    if (signal?.aborted) return fail(abortError(signal));
    if (this.#closing !== undefined) return fail(fetchError(OUTCOME.canceled, from, ""));
    const token = this.#slots.take({ fetching, index, from, signal });
    if (token === undefined) return fail(fetchError(OUTCOME.busy, from, ""));
    tokens.push(token);
    if (this.#fetches.count === 0) queueMicrotask(() => this.#flush());
    else if (this.#fetches.count === this.#fetches.capacity) this.#flush();
    this.#fetches.add({
      token,
      peer,
      memory: destination.memory.id,
      timeoutMs: Math.min(Math.ceil(timeoutMs), 0xffffffff),
      destination: destination.offset,
      offset,
      length: length ?? byteSize - offset,
      byteSize,
      dtype,
      shape,
      reference,
      capability,
    });
  }

  #flush(): void {
    const count = this.#fetches.take();
    if (count > 0) this.#addon.ucxFetch(this.#wire, this.#fetches.bytes, count);
  }

  #cancel(fetching: Fetching, tokens: readonly number[]): void {
    if (this.#closing !== undefined) return;
    // What is asked for in this turn goes first, since a cancel of what is unknown is none.
    this.#flush();
    for (const token of tokens) {
      if (this.#slots.get(token)?.fetching === fetching) this.#addon.ucxCancel(this.#wire, token);
    }
  }

  #record(event: number, id: number): Promise<number> {
    this.#addon.ucxAwait(this.#wire, true);
    return new Promise((resolve) => this.#waiting.set(`${event}:${id}`, resolve));
  }

  #told(count: number): void {
    const events = this.#events;
    for (let at = 0; at < count * UCX_EVENT_DOUBLES; at += UCX_EVENT_DOUBLES) {
      const kind = events[at]!;
      const id = events[at + 1]!;
      const value = events[at + 2]!;
      if (kind === EVENT.settled) this.#settled(id, value, events[at + 3]!, events[at + 4]! === 1);
      else if (kind === EVENT.reusable) this.#released(id);
      else if (kind === EVENT.used) this.#used(id, value, events[at + 3]!);
      else if (kind === EVENT.opened) this.#opened(id, value);
      else if (kind === EVENT.closed) this.#ended.resolve();
      else this.#tell(kind, id, value);
    }
  }

  #opened(status: number, port: number): void {
    this.#port = port;
    this.#tell(EVENT.opened, OPENING, status);
  }

  #tell(kind: number, id: number, value: number): void {
    const key = `${kind}:${id}`;
    const settle = this.#waiting.get(key);
    if (settle === undefined) return;
    this.#waiting.delete(key);
    this.#addon.ucxAwait(this.#wire, false);
    settle(value);
  }

  #used(id: number, reads: number, bytes: number): void {
    const lease = this.#leases.get(id);
    if (lease !== undefined) this.#options.onUsed?.(lease, reads, bytes);
  }

  #settled(token: number, outcome: number, detail: number, reusable: boolean): void {
    const slot = this.#slots.get(token);
    if (slot === undefined) return;
    slot.fetching.settled(slot.index, outcome === OUTCOME.done ? undefined : this.#error(outcome, detail, slot));
    if (reusable) this.#released(token);
  }

  #error(outcome: number, detail: number, { from, signal }: { from: Parameters<typeof fetchError>[1]; signal?: AbortSignal }) {
    if (outcome === OUTCOME.canceled && signal?.aborted) return abortError(signal);
    return fetchError(outcome, from, outcome === OUTCOME.unavailable ? this.#addon.ucxStatusText(detail) : detail);
  }

  #released(token: number): void {
    this.#slots.get(token)?.fetching.released();
    this.#slots.release(token);
  }
}

async function locatedLibrary(): Promise<string[]> {
  const found = await locateUcx();
  return found === undefined ? [] : [found.path];
}

function noUcx(why: string): ConnectError {
  return fault(`Cannot open a UCX wire: ${why}`, Code.Unavailable, { reason: "UCX_UNAVAILABLE" });
}
