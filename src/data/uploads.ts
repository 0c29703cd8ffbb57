/**
 * Tensors that arrive in pieces: over the bus a message is smaller than a tensor may be.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { fault } from "../rpc/error.ts";
import type { DType } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Waybill } from "../waybill/descriptor.ts";
import { referenceKey } from "../waybill/lease.ts";
import { BackgroundTimer } from "./background-timer.ts";
import { copyIn, heapBlock, type MemoryBlock } from "./memory.ts";
import { Pieces } from "./pieces.ts";
import type { Room } from "./rooms.ts";
import type { PutOptions } from "./store-types.ts";
import { sizeOf } from "./tensor-size.ts";

/** What will arrive. */
export interface UploadInit {
  /** What its elements are. */
  dtype: string;
  /** Its dimensions. */
  shape: readonly number[];
  /** Its size in bytes; what dtype and shape say, except for BYTES. */
  byteSize: number;
  /** How long the lease lasts from its start and from each use. Default: the store's. */
  leaseMs?: number;
  /** Whether the lease ends with the request that consumes it. Default `false`. */
  once?: boolean;
}

/** What uploads need of their store. */
export interface UploadHost {
  /** Takes room for a tensor. */
  readonly take: (byteLength: number, signal: AbortSignal | undefined) => Room | Promise<Room>;
  /** Makes a lease on a tensor whose room is taken, or gives the room back. */
  readonly adopt: (
    room: Room,
    tensor: Tensor | { readonly dtype: DType; readonly shape: readonly number[] },
    options: PutOptions,
  ) => Promise<Waybill>;
  readonly maxUploads: number;
  readonly maxBytes: number;
  readonly idleMs: number;
}

/**
 * A tensor that is arriving: **open** until its last byte is there, then **finished**; or **ended** by `abort`, by silence or with
 * the store, which frees its bytes.
 */
export class Upload {
  /** Names it to the one who sends it, 128 random bits: a bearer secret. */
  readonly id: string = referenceKey(crypto.getRandomValues(new Uint8Array(16)));
  /** What will arrive. */
  readonly init: UploadInit & { readonly dtype: DType };
  /** Called when it ends before it is finished. */
  onEnd: ((error: ConnectError) => void) | undefined;
  /** What its bytes lie in. */
  readonly room: Room;
  readonly #block: MemoryBlock;
  readonly #pieces: Pieces;
  readonly #settle: (upload: Upload, error?: ConnectError) => Promise<Waybill> | undefined;
  #lastMs = performance.now();
  #ended = false;

  /** Made by {@linkcode Uploads.begin}. */
  constructor(
    init: Upload["init"],
    room: Room,
    settle: (upload: Upload, error?: ConnectError) => Promise<Waybill> | undefined,
  ) {
    this.init = init;
    this.room = room;
    this.#block = room.block ?? heapBlock(init.byteSize);
    this.#pieces = new Pieces(init.byteSize);
    this.#settle = settle;
  }

  /** Bytes that are there. */
  get received(): number {
    return this.#pieces.received;
  }

  /** Since when nothing came, on the clock of `performance.now()`. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /**
   * Copies a piece to its place; pieces may come in any order, and twice.
   *
   * @returns the descriptor once every byte is there
   * @throws {ConnectError} `out_of_range` for a piece beyond the tensor, `resource_exhausted` for too many gaps, and what making
   * the tensor throws
   */
  async write(offset: number, data: Uint8Array): Promise<Waybill | undefined> {
    this.#pieces.add(offset, data.length);
    // Its memory may be another's by now.
    if (!this.#ended) copyIn(this.#block, offset, data);
    this.#lastMs = performance.now();
    return this.received === this.init.byteSize ? await this.#settle(this) : undefined;
  }

  /** Gives it up and frees its bytes. Safe at any time. */
  abort(error: ConnectError): void {
    void this.#settle(this, error);
  }

  /** What is in the room. */
  get content(): Tensor | Upload["init"] {
    const { dtype, shape } = this.init;
    return this.room.block === undefined ? new Tensor(dtype, shape, this.#block.bytes as Uint8Array) : this.init;
  }

  /** It has ended: nothing is written any more. */
  end(): void {
    this.#ended = true;
  }
}

/** The uploads of one store, bounded in number, bytes and silence. */
export class Uploads {
  readonly #host: UploadHost;
  readonly #open = new Map<string, Upload>();
  readonly #timer: BackgroundTimer = new BackgroundTimer(() => this.#expire());
  #starting = 0;
  #bytes = 0;

  constructor(host: UploadHost) {
    this.#host = host;
  }

  /** Unfinished ones, those that wait for space included. */
  get size(): number {
    return this.#open.size + this.#starting;
  }

  /**
   * Takes space for a tensor that will arrive.
   *
   * @throws {ConnectError} `invalid_argument` for a dtype, shape and size that do not fit each other, `resource_exhausted` past a
   * bound, `canceled` when the signal fires while it waits for space, `unavailable` once the store is closed
   */
  async begin(init: UploadInit, options: { signal?: AbortSignal } = {}): Promise<Upload> {
    const checked = checkInit(init);
    const { byteSize } = checked;
    const { maxUploads, maxBytes } = this.#host;
    if (this.size >= maxUploads) throw tooMany(`${maxUploads} uploads at once`, byteSize);
    if (this.#bytes + byteSize > maxBytes) throw tooMany(`${maxBytes} bytes of unfinished uploads`, byteSize);
    this.#starting++;
    this.#bytes += byteSize;
    let room: Room | undefined;
    try {
      room = await this.#host.take(byteSize, options.signal);
      const upload = new Upload(checked, room, (ended, error) => this.#settle(ended, error));
      this.#open.set(upload.id, upload);
      this.#timer.wakeIn(this.#host.idleMs);
      return upload;
    } catch (error) {
      this.#bytes -= byteSize;
      room?.give();
      throw error;
    } finally {
      this.#starting--;
    }
  }

  /**
   * The upload of an id.
   *
   * @throws {ConnectError} `not_found` when it has ended or never was
   */
  find(id: string): Upload {
    const upload = this.#open.get(id);
    if (upload !== undefined) return upload;
    // Not shown: an id is a secret.
    throw new ConnectError("Cannot upload: the id must be of an unfinished upload, got another", Code.NotFound);
  }

  /** Ends all. */
  close(): void {
    this.#timer.stop();
    for (const upload of this.#open.values()) {
      upload.abort(new ConnectError("Cannot upload: the store is closed", Code.Unavailable));
    }
  }

  #settle(upload: Upload, error?: ConnectError): Promise<Waybill> | undefined {
    if (!this.#open.delete(upload.id)) return undefined;
    this.#bytes -= upload.init.byteSize;
    upload.end();
    if (error === undefined) return this.#adopt(upload);
    upload.room.give();
    upload.onEnd?.(error);
    return undefined;
  }

  #adopt(upload: Upload): Promise<Waybill> {
    const { room, init } = upload;
    let content: Upload["content"];
    try {
      content = upload.content;
    } catch (error) {
      room.give();
      throw error;
    }
    return this.#host.adopt(room, content, { leaseMs: init.leaseMs, once: init.once });
  }

  #expire(): void {
    const { idleMs } = this.#host;
    const now = performance.now();
    let oldest = Infinity;
    for (const upload of this.#open.values()) {
      if (now - upload.lastMs < idleMs) oldest = Math.min(oldest, upload.lastMs);
      else {
        const text = `Cannot upload: a piece must come every ${idleMs} ms, got none`;
        upload.abort(new ConnectError(text, Code.DeadlineExceeded));
      }
    }
    if (oldest !== Infinity) this.#timer.wakeIn(oldest + idleMs - now);
  }
}

function checkInit(init: UploadInit): Upload["init"] {
  sizeOf("Cannot upload", init.dtype, init.shape, init.byteSize);
  return { ...init, dtype: init.dtype as DType };
}

function tooMany(bound: string, byteSize: number): ConnectError {
  const text = `Cannot upload a tensor of ${byteSize} bytes: the store takes at most ${bound}`;
  return fault(text, Code.ResourceExhausted, { reason: "STORE_FULL" });
}
