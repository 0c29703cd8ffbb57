import { Code, type ConnectError } from "@connectrpc/connect";
import type { BusMessage } from "../bus/bus.ts";
import type { Caller } from "./caller.ts";
import { fault } from "./error.ts";
import { type AnswerFrame, type CallerFrameKind, encodeCallerFrame, FRAME_HEADER, META_HEADER } from "./frame.ts";
import { randomId } from "./ids.ts";
import { unescapeName } from "./names.ts";
import { operatorRoute, type Route } from "./route.ts";
import { readStoreAnswer, storeFault } from "./store-answer.ts";

/** A stored request is acknowledged within this time, or something is wrong. */
const ACK_WAIT_MS = 1_000;
/** Running instances send a heartbeat each second; this long without one and the instance is lost. */
const LOST_AFTER_MS = 5_000;
/** An instance's id is never used again: nobody listening there is as good as certain. */
const DIRECTED_WAIT_MS = 1_000;
/** How long other instances may still report a call that one does not know. */
const UNKNOWN_GRACE_MS = 1_000;
const MAX_PROBE_DELAY_MS = 30_000;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 500;
/** Many frames may be on their way when a call is canceled: one more word is enough for all of them. */
const CANCEL_AGAIN_MS = 250;

/** What opens a call. */
export interface CallRequest {
  readonly route: Route;
  readonly kind: Extract<CallerFrameKind, "request" | "post">;
  readonly method: string;
  readonly payload: Uint8Array;
  /** Value of `wb-meta`; empty for none. */
  readonly metadata: string;
  /** Remaining time; `undefined` waits for ever. */
  readonly timeoutMs: number | undefined;
  /** Makes the broker drop a second request with the same key within its window. */
  readonly idempotencyKey: string | undefined;
  /** Whether running it twice is harmless, so that it may be sent again when nobody knows what became of it. */
  readonly idempotent: boolean;
  readonly creditItems: number;
  readonly creditBytes: number;
}

/**
 * A call as its caller sees it, whatever its kind. Its state says what is known:
 *
 * - `opening`: published, nothing heard. "No responders" publishes it again until `operatorWaitMs` is over; the
 *   acknowledgement of storage leads to `stored`, a frame of an instance to `running`.
 * - `stored`: the broker has it. Silence makes the caller ask for its status, less and less often; a frame leads to `running`.
 * - `running`: an instance reported. Silence makes the caller ask; five silent seconds lead back to `stored` when the broker
 *   would deliver it again, else the call fails `unavailable`.
 * - `done`: answered, failed or canceled. Later frames of a canceled call are answered by another cancel.
 *
 * While the connection is down nothing can be heard: only the call's own deadline counts then.
 */
export abstract class PendingCall {
  readonly id: string = randomId();
  readonly request: CallRequest;
  /** When the caller stops waiting, on its clock. */
  readonly deadlineAt: number;
  protected readonly caller: Caller;
  protected route: Route;
  /** The instance that answers, once known. */
  protected instance: string | undefined;
  protected attempt = 0;
  #state: "opening" | "stored" | "running" | "done" = "opening";
  #storedSeq = 0;
  /** Since when there is silence. */
  #heardAt: number;
  /** When an instance reported that it has the call. */
  #reportedAt = -Infinity;
  #giveUpAt: number;
  #retryAt = Infinity;
  #retryMs = FIRST_RETRY_MS;
  #probeAt: number;
  #probeDelayMs: number;
  #probedAt = -Infinity;
  #reconnectedAt = -Infinity;
  #unknownAt = Infinity;
  #canceledAt = -Infinity;
  #movedAttempt = 0;
  /** Nobody listened where it was published. */
  #nobody = false;
  /** What discovery says that there is not. */
  #missing: string | undefined;
  /** Published over a connection that broke before anything was heard of it. */
  #uncertain = false;
  /** Published more than once. */
  #repeated = false;

  constructor(caller: Caller, request: CallRequest) {
    this.caller = caller;
    this.request = request;
    this.route = request.route;
    const now = this.#heardAt = caller.now();
    this.#giveUpAt = now + this.#patienceMs;
    this.deadlineAt = request.timeoutMs === undefined ? Infinity : now + request.timeoutMs;
    this.#probeDelayMs = caller.probeMs;
    this.#probeAt = now + caller.probeMs;
  }

  /** When {@linkcode onWake} wants to be called next, on the caller's clock. */
  get wakeAt(): number {
    if (!this.caller.bus.connected) return this.deadlineAt;
    let at: number;
    if (this.#state === "opening") at = Math.min(this.#retryAt, this.#heardAt + ACK_WAIT_MS, this.#giveUpAt);
    else if (this.#state === "running") at = Math.min(this.#probeAt, this.#heardAt + LOST_AFTER_MS);
    else at = this.#probeAt;
    return Math.min(at, this.#unknownAt + UNKNOWN_GRACE_MS, this.deadlineAt);
  }

  get done(): boolean {
    return this.#state === "done";
  }

  /** Publishes the request. */
  open(): void {
    const { request, route, caller } = this;
    const headers: Record<string, string> = { [FRAME_HEADER]: this.#frame(request.kind, request.method) };
    if (request.metadata !== "") headers[META_HEADER] = request.metadata;
    if (request.idempotencyKey !== undefined) headers["Nats-Msg-Id"] = `${caller.id}.${request.idempotencyKey}`;
    this.#retryAt = Infinity;
    this.#uncertain = false;
    caller.bus.publish(route.subject, request.payload, { headers, reply: caller.answerSubject(this.id) });
  }

  /** Ends the call with an error and, unless the far side has ended it, tells whoever has it to stop. */
  fail(error: ConnectError, tell: boolean): void {
    if (this.#state === "done") return;
    this.#finish();
    if (tell) this.#cancel();
    this.rejected(error);
  }

  onMessage(message: BusMessage, frame: AnswerFrame | undefined): void {
    if (this.#state === "done") this.#onLate(message, frame);
    else if (message.status !== undefined) {
      if (message.status === 503) this.#onNoResponders();
    } else if (frame !== undefined) this.#onFrame(frame, message);
    else if (this.route.stored) this.#onStored(message.payload);
  }

  onWake(now: number): void {
    if (now >= this.deadlineAt) this.#expire();
    else if (!this.caller.bus.connected) return;
    else if (now >= this.#unknownAt + UNKNOWN_GRACE_MS) this.#outcomeUnknown();
    else if (this.#state === "opening") this.#wakeOpening(now);
    else if (this.#state === "running" && now >= this.#heardAt + LOST_AFTER_MS) this.#lost(now);
    else if (now >= this.#probeAt) this.#probe(now);
  }

  /** What was on its way when the connection broke may be lost: ask. What waited for the connection has just been sent. */
  onReconnect(now: number, heldSince: number): void {
    if (this.#state === "done") return;
    this.#heardAt = this.#reconnectedAt = now;
    this.#unknownAt = Infinity;
    if (this.#state !== "opening") return this.#probe(now);
    this.#giveUpAt = now + this.#patienceMs;
    this.#uncertain = this.#publishedAt < heldSince;
    if (this.#uncertain) this.#probe(now);
  }

  /** A `response`, `item`, `error` or `end` of the accepted attempt. Returns whether it ended the call. */
  protected abstract answered(frame: AnswerFrame, message: BusMessage): boolean;
  protected abstract rejected(error: ConnectError): void;
  /** Called once when the request is stored; fire-and-forget ends there. */
  protected onAccepted(): void {}
  /** Whether a part of the answer reached the user: then no other attempt may follow. */
  protected get committed(): boolean {
    return false;
  }
  /** An instance is at it. */
  protected onHeartbeat(): void {}

  /** Sends a later frame of this call. */
  protected sendControl(kind: CallerFrameKind, creditItems = 0, creditBytes = 0): void {
    this.#send(kind, creditItems, creditBytes);
  }

  /** Ends the call after its last frame. */
  protected finish(): void {
    this.#finish();
  }
}
