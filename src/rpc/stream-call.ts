import { Code, ConnectError } from "@connectrpc/connect";
import type { BusMessage } from "../bus/bus.ts";
import type { Caller } from "./caller.ts";
import type { CallRequest } from "./call-request.ts";
import { abortError, decodeError, fault } from "./error.ts";
import { type AnswerFrame, creditOf, META_HEADER } from "./frame.ts";
import { Inbound, type InboundOwner, itemsShareOf, shareOf } from "./inbound.ts";
import { decodeMetadata, type Metadata } from "./metadata.ts";
import { PendingCall } from "./pending-call.ts";
import type { Upload, UploadWire } from "./upload.ts";

/** One answer of a stream before it is decoded. */
export interface RawItem {
  readonly frame: AnswerFrame;
  readonly payload: Uint8Array;
}

/** What a stream may send at first: its share of the connection's byte window. */
export function firstCredit(caller: Caller): { creditItems: number; creditBytes: number } {
  return { creditItems: itemsShareOf(caller.streams), creditBytes: shareOf(caller.windowBytes, caller.streams) };
}

/**
 * A call with many answers, or whose caller streams too. Frames of a caller that streams begin once the instance has said how
 * many it takes; from then on the call belongs to that instance's attempt alone.
 */
export class StreamCall extends PendingCall implements AsyncIterableIterator<RawItem>, InboundOwner, UploadWire {
  /** Trailers; empty until the stream has ended. */
  readonly trailer: Headers = new Headers();
  readonly #answers: Inbound<RawItem>;
  readonly #upload: Upload | undefined;
  readonly #first: PromiseWithResolvers<Metadata> = Promise.withResolvers();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.fail(abortError(this.#signal as AbortSignal), true);

  constructor(caller: Caller, request: CallRequest, signal: AbortSignal | undefined, upload?: Upload) {
    super(caller, request);
    this.#answers = new Inbound(this, request.creditBytes, request.creditItems);
    this.#upload = upload;
    this.#signal = signal;
    this.#first.promise.catch(() => {});
  }

  /** Publishes the request. Throws when the signal has fired already, and what publishing throws. */
  start(): this {
    try {
      if (this.#signal?.aborted) throw abortError(this.#signal);
      this.caller.open(this);
    } catch (error) {
      this.#upload?.stop();
      throw error;
    }
    this.caller.streams++;
    this.#signal?.addEventListener("abort", this.#onAbort);
    void this.#upload?.run(this);
    return this;
  }

  /** Who answers; known once there is {@linkcode metadata}. */
  get source(): { instance: string; attempt: number } {
    return { instance: this.instance ?? "", attempt: this.attempt };
  }

  /** Headers, which come with the first frame. Rejects when the call fails before it. */
  get metadata(): Promise<Metadata> {
    return this.#first.promise;
  }

  next(): Promise<IteratorResult<RawItem>> {
    return this.#answers.next();
  }

  /** Ends the call early: the far side is told to stop. */
  return(): Promise<IteratorResult<RawItem>> {
    this.fail(new ConnectError("The stream was closed by its reader", Code.Canceled), true);
    return this.#answers.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  shareBytes(): number {
    return shareOf(this.caller.windowBytes, this.caller.streams);
  }

  shareItems(): number {
    return itemsShareOf(this.caller.streams);
  }

  onCredit(): void {
    if (!this.done) this.#sendCredit();
  }

  item(seq: number, payload: Uint8Array): void {
    this.send("item", this.#answers.grantedItems, this.#answers.grantedBytes, seq, payload);
  }

  halfClose(seq: number): void {
    this.send("half-close", this.#answers.grantedItems, this.#answers.grantedBytes, seq);
  }

  broken(error: ConnectError): void {
    this.fail(error, true);
  }

  protected override get committed(): boolean {
    return this.#answers.received > 0 || this.#upload?.bound === true;
  }

  /** Totals are repeated where the request did not carry them, and the end of an upload: whatever of it was lost is made up for. */
  protected override onHeartbeat(): void {
    const upload = this.#upload;
    if (upload?.halfClosed) this.halfClose(upload.sent + 1);
    else if (upload !== undefined || this.#answers.grantedMore) this.#sendCredit();
  }

  protected override answered(frame: AnswerFrame, message: BusMessage): boolean {
    if (frame.kind === "credit") return this.#onCreditFrame(frame);
    if (frame.kind === "item" || frame.kind === "end" || frame.kind === "response") {
      if (this.#answers.received === 0) this.#first.resolve(decodeMetadata(message.header(META_HEADER)));
    }
    if (frame.kind === "error") {
      this.rejected(decodeError(message.payload, decodeMetadata(message.header(META_HEADER)).header));
      return true;
    }
    if (frame.seq !== this.#answers.received + 1) return this.#lose(`got frame ${frame.seq}`);
    if (frame.kind === "end") {
      const { trailer } = decodeMetadata(message.header(META_HEADER));
      trailer.forEach((value, name) => this.trailer.append(name, value));
      this.#close(undefined);
      return true;
    }
    this.#answers.push({ frame, payload: message.payload });
    return false;
  }

  protected override rejected(error: unknown): void {
    this.#first.reject(error);
    this.#close(ConnectError.from(error));
  }

  #onCreditFrame(frame: AnswerFrame): boolean {
    // Sent after the items that it counts: they would be here.
    if (frame.seq > this.#answers.received) return this.#lose(`${frame.seq} were sent`);
    const credit = creditOf(frame);
    if (credit !== undefined) this.#upload?.granted(credit.items, credit.bytes);
    return false;
  }

  #lose(instead: string): false {
    const text = `Cannot read the stream of ${this.route.label}: frame ${this.#answers.received + 1} is missing, ${instead}`;
    const facts = { reason: "MESSAGE_MISSING", operator: this.route.operator, instance: this.instance };
    this.fail(fault(text, Code.DataLoss, facts), true);
    return false;
  }

  #sendCredit(): void {
    this.send("credit", this.#answers.grantedItems, this.#answers.grantedBytes, this.#upload?.sent ?? 0);
  }

  #close(error: ConnectError | undefined): void {
    if (this.#answers.ended) return;
    this.caller.streams--;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#answers.finish(error);
    this.#upload?.stop();
  }
}
