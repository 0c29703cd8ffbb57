import { Code, ConnectError } from "@connectrpc/connect";
import type { BusMessage } from "../bus/bus.ts";
import type { Entrant } from "./byte-window.ts";
import type { Caller } from "./caller.ts";
import { MAX_TIMER_MS } from "./deadlines.ts";
import { abortError, decodeError } from "./error.ts";
import { type AnswerFrame, META_HEADER } from "./frame.ts";
import { decodeMetadata, type Metadata } from "./metadata.ts";
import type { CallRequest } from "./call-request.ts";
import { PendingCall } from "./pending-call.ts";

/** A unary call's answer before it is decoded. */
export class RawAnswer {
  readonly frame: AnswerFrame;
  readonly payload: Uint8Array;
  readonly #message: BusMessage;

  constructor(frame: AnswerFrame, message: BusMessage) {
    this.frame = frame;
    this.payload = message.payload;
    this.#message = message;
  }

  /** Parsed when asked for. */
  metadata(): Metadata {
    return decodeMetadata(this.#message.header(META_HEADER));
  }
}

/**
 * A call that is a promise: holds its share of the byte window from the start to the end, and ends when its signal fires. One
 * object, no closures: this is the path of every small call.
 */
abstract class AwaitedCall<T> extends PendingCall implements Entrant {
  readonly windowBytes: number;
  readonly #signal: AbortSignal | undefined;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  #started = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    caller: Caller,
    request: CallRequest,
    signal: AbortSignal | undefined,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    super(caller, request);
    this.windowBytes = request.payload.length + request.route.expectedAnswerBytes;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Begins, now or once there is room. */
  enter(): void {
    this.#signal?.addEventListener("abort", this);
    this.caller.window.enter(this);
    if (!this.#started && !this.done && this.deadlineAt !== Infinity) this.#waitInLine();
  }

  start(): void {
    this.#started = true;
    clearTimeout(this.#timer);
    try {
      this.caller.open(this);
    } catch (error) {
      this.rejected(error);
    }
  }

  /** The signal fired. */
  handleEvent(): void {
    this.caller.window.withdraw(this);
    this.fail(abortError(this.#signal as AbortSignal), this.#started);
  }

  protected settle(value: T): void {
    this.#leave();
    this.#resolve(value);
  }

  protected override rejected(error: unknown): void {
    this.#leave();
    this.#reject(error);
  }

  /** The caller looks after open calls; one in the line for the window has a clock of its own. */
  #waitInLine(): void {
    const expire = () => {
      if (this.caller.now() < this.deadlineAt) return this.#waitInLine();
      this.caller.window.withdraw(this);
      this.expire(false);
    };
    this.#timer = setTimeout(expire, Math.min(MAX_TIMER_MS, Math.max(0, this.deadlineAt - this.caller.now())));
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this);
    if (this.#started) this.caller.window.leave(this);
    this.#started = false;
  }
}

/** Waits for one `response`. */
class UnaryCall extends AwaitedCall<RawAnswer> {
  protected override answered(frame: AnswerFrame, message: BusMessage): boolean {
    if (frame.kind === "response") {
      if (message.payload.length > this.route.expectedAnswerBytes) this.route.expectedAnswerBytes = message.payload.length;
      this.settle(new RawAnswer(frame, message));
    } else if (frame.kind === "error") {
      this.rejected(decodeError(message.payload, decodeMetadata(message.header(META_HEADER)).header));
    } else {
      this.rejected(new ConnectError(`Cannot call ${this.route.label}: it answered a unary call with a stream`, Code.Internal));
    }
    return true;
  }
}

/** Is done once the request is accepted: fire and forget. */
class PostCall extends AwaitedCall<boolean> {
  protected override onAccepted(duplicate: boolean): void {
    this.finish();
    this.settle(!duplicate);
  }

  protected override answered(frame: AnswerFrame, message: BusMessage): boolean {
    if (frame.kind === "error") this.rejected(decodeError(message.payload, new Headers()));
    else this.settle(true);
    return true;
  }
}

/** Sends a request and waits for its answer. */
export function callUnary(caller: Caller, request: CallRequest, signal: AbortSignal | undefined): Promise<RawAnswer> {
  if (signal?.aborted) return Promise.reject(abortError(signal));
  return new Promise((resolve, reject) => new UnaryCall(caller, request, signal, resolve, reject).enter());
}

/**
 * Sends a request and waits until the broker has stored it, or an instance has accepted it.
 *
 * @returns `false` when the broker dropped it: one with the same key was sent before
 */
export function callPost(caller: Caller, request: CallRequest, signal: AbortSignal | undefined): Promise<boolean> {
  if (signal?.aborted) return Promise.reject(abortError(signal));
  return new Promise((resolve, reject) => new PostCall(caller, request, signal, resolve, reject).enter());
}
