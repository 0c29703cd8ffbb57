import { Code, ConnectError } from "@connectrpc/connect";
import type { BusMessage } from "../bus/bus.ts";
import type { Caller } from "./caller.ts";
import { abortError, decodeError } from "./error.ts";
import { type AnswerFrame, META_HEADER } from "./frame.ts";
import { decodeMetadata, type Metadata } from "./metadata.ts";
import type { CallRequest } from "./call-request.ts";
import { PendingCall } from "./pending-call.ts";

const WINDOW_ITEMS = 64;
const MAX_WINDOW_BYTES = 4 * 1024 * 1024;
const MIN_WINDOW_BYTES = 64 * 1024;

/** One answer of a stream before it is decoded. */
export interface RawItem {
  readonly frame: AnswerFrame;
  readonly payload: Uint8Array;
}

/** What a stream may send at first: its share of the connection's byte window. */
export function firstCredit(caller: Caller): { creditItems: number; creditBytes: number } {
  return { creditItems: WINDOW_ITEMS, creditBytes: shareOf(caller) };
}

function shareOf(caller: Caller): number {
  return Math.max(MIN_WINDOW_BYTES, Math.min(MAX_WINDOW_BYTES, Math.floor(caller.windowBytes / (caller.streams + 1))));
}

/**
 * A call with many answers. The far side sends within the credit it was given, so what waits here for a slow consumer is
 * bounded. Credits are totals since the call began: a lost one does no harm, the next says more.
 */
export class StreamCall extends PendingCall implements AsyncIterableIterator<RawItem> {
  /** Trailers; empty until the stream has ended. */
  readonly trailer: Headers = new Headers();
  readonly #items: RawItem[] = [];
  #waiting: { resolve: (result: IteratorResult<RawItem>) => void; reject: (error: unknown) => void } | undefined;
  #end: { error: ConnectError | undefined } | undefined;
  #received = 0;
  #taken = 0;
  #takenBytes = 0;
  #grantedItems: number;
  #grantedBytes: number;
  readonly #first: PromiseWithResolvers<Metadata> = Promise.withResolvers();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.fail(abortError(this.#signal as AbortSignal), true);

  constructor(caller: Caller, request: CallRequest, signal: AbortSignal | undefined) {
    super(caller, request);
    this.#grantedItems = request.creditItems;
    this.#grantedBytes = request.creditBytes;
    this.#signal = signal;
    this.#first.promise.catch(() => {});
  }

  /** Publishes the request. Throws when the signal has fired already, and what publishing throws. */
  start(): this {
    if (this.#signal?.aborted) throw abortError(this.#signal);
    this.caller.open(this);
    this.caller.streams++;
    this.#signal?.addEventListener("abort", this.#onAbort);
    return this;
  }

  /** Headers, which come with the first frame. Rejects when the call fails before it. */
  get metadata(): Promise<Metadata> {
    return this.#first.promise;
  }

  next(): Promise<IteratorResult<RawItem>> {
    const item = this.#items.shift();
    if (item !== undefined) {
      this.#took(item);
      return Promise.resolve({ done: false, value: item });
    }
    if (this.#end !== undefined) return this.#ended(this.#end.error);
    if (this.#waiting !== undefined) {
      return Promise.reject(new ConnectError("Cannot read a stream twice at once", Code.FailedPrecondition));
    }
    return new Promise((resolve, reject) => this.#waiting = { resolve, reject });
  }

  /** Ends the call early: the far side is told to stop. */
  return(): Promise<IteratorResult<RawItem>> {
    this.#items.length = 0;
    this.fail(new ConnectError("The stream was closed by its reader", Code.Canceled), true);
    this.#end = { error: undefined };
    return this.#ended(undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  protected override get committed(): boolean {
    return this.#received > 0;
  }

  protected override onHeartbeat(): void {
    if (this.#received > 0) this.send("credit", this.#grantedItems, this.#grantedBytes);
  }

  protected override answered(frame: AnswerFrame, message: BusMessage): boolean {
    if (frame.kind === "item" || frame.kind === "end" || frame.kind === "response") {
      if (this.#received === 0) this.#first.resolve(decodeMetadata(message.header(META_HEADER)));
    }
    if (frame.kind === "error") {
      this.rejected(decodeError(message.payload, decodeMetadata(message.header(META_HEADER)).header));
      return true;
    }
    if (frame.seq !== this.#received + 1) {
      const wanted = this.#received + 1;
      const text = `Cannot read the stream of ${this.route.label}: frame ${wanted} is missing, got frame ${frame.seq}`;
      this.fail(new ConnectError(text, Code.DataLoss), true);
      return false;
    }
    if (frame.kind === "end") {
      const { trailer } = decodeMetadata(message.header(META_HEADER));
      trailer.forEach((value, name) => this.trailer.append(name, value));
      this.#close(undefined);
      return true;
    }
    this.#received++;
    const item = { frame, payload: message.payload };
    const waiting = this.#waiting;
    if (waiting === undefined) this.#items.push(item);
    else {
      this.#waiting = undefined;
      this.#took(item);
      waiting.resolve({ done: false, value: item });
    }
    return false;
  }

  protected override rejected(error: unknown): void {
    this.#first.reject(error);
    this.#close(ConnectError.from(error));
  }

  #took(item: RawItem): void {
    this.#taken++;
    this.#takenBytes += item.payload.length;
    const share = shareOf(this.caller);
    const half = this.#taken + WINDOW_ITEMS / 2 >= this.#grantedItems || this.#takenBytes + share / 2 >= this.#grantedBytes;
    if (!half || this.done) return;
    this.#grantedItems = this.#taken + WINDOW_ITEMS;
    this.#grantedBytes = Math.max(this.#grantedBytes, this.#takenBytes + share);
    this.send("credit", this.#grantedItems, this.#grantedBytes);
  }

  #close(error: ConnectError | undefined): void {
    if (this.#end !== undefined) return;
    this.caller.streams--;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#end = { error };
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    if (error === undefined) waiting.resolve({ done: true, value: undefined });
    else {
      this.#end = { error: undefined };
      waiting.reject(error);
    }
  }

  /** An error is thrown once; after it the stream is simply over. */
  #ended(error: ConnectError | undefined): Promise<IteratorResult<RawItem>> {
    this.#end = { error: undefined };
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
  }
}
