import { Code, ConnectError } from "@connectrpc/connect";
import type { BusMessage } from "../bus/bus.ts";
import type { Caller } from "./caller.ts";
import { abortError, decodeError } from "./error.ts";
import { type AnswerFrame, META_HEADER } from "./frame.ts";
import { decodeMetadata, type Metadata } from "./metadata.ts";
import { type CallRequest, PendingCall } from "./pending-call.ts";

/** A unary call's answer before it is decoded. */
export interface RawAnswer {
  readonly frame: AnswerFrame;
  readonly payload: Uint8Array;
  /** Parsed when asked for. */
  metadata(): Metadata;
}

/** Waits for one `response`. */
class UnaryCall extends PendingCall {
  readonly #resolve: (answer: RawAnswer) => void;
  readonly #reject: (error: ConnectError) => void;

  constructor(
    caller: Caller,
    request: CallRequest,
    resolve: (answer: RawAnswer) => void,
    reject: (error: ConnectError) => void,
  ) {
    super(caller, request);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  protected override answered(frame: AnswerFrame, message: BusMessage): boolean {
    const metadata = () => decodeMetadata(message.header(META_HEADER));
    if (frame.kind === "response") {
      if (message.payload.length > this.route.expectedAnswerBytes) this.route.expectedAnswerBytes = message.payload.length;
      this.#resolve({ frame, payload: message.payload, metadata });
    } else if (frame.kind === "error") this.#reject(decodeError(message.payload, metadata().header));
    else {
      const text = `Cannot call ${this.route.label}: it answered a unary call with a stream`;
      this.#reject(new ConnectError(text, Code.Internal));
    }
    return true;
  }

  protected override rejected(error: ConnectError): void {
    this.#reject(error);
  }
}

/** Is done once the request is accepted: fire and forget. */
class PostCall extends PendingCall {
  readonly #resolve: () => void;
  readonly #reject: (error: ConnectError) => void;

  constructor(caller: Caller, request: CallRequest, resolve: () => void, reject: (error: ConnectError) => void) {
    super(caller, request);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  protected override onAccepted(): void {
    this.finish();
    this.#resolve();
  }

  protected override answered(frame: AnswerFrame, message: BusMessage): boolean {
    if (frame.kind === "error") this.#reject(decodeError(message.payload, new Headers()));
    else this.#resolve();
    return true;
  }

  protected override rejected(error: ConnectError): void {
    this.#reject(error);
  }
}

/** Sends a request and waits for its answer. */
export function callUnary(caller: Caller, request: CallRequest, signal: AbortSignal | undefined): Promise<RawAnswer> {
  return run(caller, request, signal, (resolve, reject) => new UnaryCall(caller, request, resolve, reject));
}

/** Sends a request and waits until the broker has stored it, or an instance has accepted it. */
export function callPost(caller: Caller, request: CallRequest, signal: AbortSignal | undefined): Promise<void> {
  return run(caller, request, signal, (resolve, reject) => new PostCall(caller, request, resolve, reject));
}

/** Holds the call's share of the byte window from the start to the end, and ends it when the signal fires. */
function run<T>(
  caller: Caller,
  request: CallRequest,
  signal: AbortSignal | undefined,
  make: (resolve: (value: T) => void, reject: (error: ConnectError) => void) => PendingCall,
): Promise<T> {
  if (signal?.aborted) return Promise.reject(abortError(signal));
  return new Promise<T>((resolve, reject) => {
    const bytes = request.payload.length + request.route.expectedAnswerBytes;
    const call = make((value) => (settle(), resolve(value)), (error) => (settle(), reject(error)));
    let entered = false;
    const start = () => {
      entered = true;
      try {
        caller.open(call);
      } catch (error) {
        settle();
        reject(error);
      }
    };
    const onAbort = () => {
      caller.window.withdraw(start);
      call.fail(abortError(signal as AbortSignal), entered);
    };
    const settle = () => {
      if (signal !== undefined) signal.removeEventListener("abort", onAbort);
      if (entered) caller.window.leave(bytes);
    };
    if (signal !== undefined) signal.addEventListener("abort", onAbort);
    caller.window.enter(bytes, start);
  });
}
