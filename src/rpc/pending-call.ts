import { Code, type ConnectError } from "@connectrpc/connect";
import type { BusMessage } from "../bus/bus.ts";
import type { Caller } from "./caller.ts";
import { fault } from "./error.ts";
import { type AnswerFrame, type CallerFrameKind, encodeCallerFrame, FRAME_HEADER, META_HEADER } from "./frame.ts";
import { randomId } from "./ids.ts";
import { operatorRoute, type Route } from "./route.ts";
import { unescapeName } from "./names.ts";

/** A stored request is acknowledged within this time, or something is wrong. */
const ACK_WAIT_MS = 1_000;
/** Running instances send a heartbeat each second; this long without one and the instance is lost. */
const LOST_AFTER_MS = 5_000;
/** How long other instances may still report a call that one does not know. */
const UNKNOWN_GRACE_MS = 1_000;
const MAX_PROBE_DELAY_MS = 30_000;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 500;

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
 * - `running`: an instance reported. Five silent seconds lead back to `stored` when the broker would deliver it again, else
 *   the call fails `unavailable`.
 * - `done`: answered, failed or canceled; later frames are ignored.
 */
export abstract class PendingCall {
  readonly id: string = randomId();
  readonly request: CallRequest;
  protected readonly caller: Caller;
  protected route: Route;
  /** The instance that answers, once known. */
  protected instance: string | undefined;
  protected attempt = 0;
  #state: "opening" | "stored" | "running" | "done" = "opening";
  #storedSeq = 0;
  readonly #startedAt: number;
  readonly #deadlineAt: number;
  #heardAt: number;
  #giveUpAt: number;
  #retryAt = Infinity;
  #retryMs = FIRST_RETRY_MS;
  #probeDelayMs: number;
  #unknownAt = Infinity;
  #nobody = false;
  #uncertain = false;

  constructor(caller: Caller, request: CallRequest) {
    this.caller = caller;
    this.request = request;
    this.route = request.route;
    this.#startedAt = this.#heardAt = caller.now();
    this.#giveUpAt = this.#startedAt + caller.operatorWaitMs;
    this.#deadlineAt = request.timeoutMs === undefined ? Infinity : this.#startedAt + request.timeoutMs;
    this.#probeDelayMs = caller.probeMs;
  }

  /** When {@linkcode onWake} wants to be called next, on the caller's clock. */
  get wakeAt(): number {
    let at: number;
    if (this.#state === "opening") at = Math.min(this.#retryAt, this.#heardAt + ACK_WAIT_MS, this.#giveUpAt);
    else at = this.#heardAt + (this.#state === "running" ? LOST_AFTER_MS : this.#probeDelayMs);
    return Math.min(at, this.#unknownAt + UNKNOWN_GRACE_MS, this.#deadlineAt);
  }

  get done(): boolean {
    return this.#state === "done";
  }

  /** Publishes the request; again after "no responders". */
  open(): void {
    const { request, route } = this;
    const headers: Record<string, string> = { [FRAME_HEADER]: this.#frame(request.kind, request.method) };
    if (request.metadata !== "") headers[META_HEADER] = request.metadata;
    if (request.idempotencyKey !== undefined) headers["Nats-Msg-Id"] = `${this.caller.id}.${request.idempotencyKey}`;
    this.#retryAt = Infinity;
    this.caller.bus.publish(route.subject, request.payload, { headers, reply: this.caller.answerSubject(this.id) });
  }

  /** Ends the call with an error and, unless the far side has ended it, tells whoever has it to stop. */
  fail(error: ConnectError, tell: boolean): void {
    if (this.#state === "done") return;
    if (tell) this.#send("cancel");
    this.#finish();
    this.rejected(error);
  }

  onMessage(message: BusMessage, frame: AnswerFrame | undefined): void {
    if (this.#state === "done") return;
    if (message.status !== undefined) {
      if (message.status === 503) this.#onNoResponders();
    } else if (frame !== undefined) this.#onFrame(frame, message);
    else if (this.#state === "opening" && this.route.stored) this.#onStored(message.payload);
  }

  onWake(now: number): void {
    if (now >= this.#deadlineAt) {
      const hint = this.#state === "opening" && this.#nobody ? ", and nobody served it so far" : "";
      this.fail(
        this.#fault("DEADLINE", `it took longer than ${this.request.timeoutMs} ms${hint}`, Code.DeadlineExceeded),
        true,
      );
    } else if (!this.caller.bus.connected) this.#heardAt = now; // Nothing can be heard: only deadlines count.
    else if (now >= this.#unknownAt + UNKNOWN_GRACE_MS) this.#outcomeUnknown();
    else if (this.#state === "opening") this.#wakeOpening(now);
    else if (this.#state === "stored" && now >= this.#heardAt + this.#probeDelayMs) this.#probe(now);
    else if (this.#state === "running" && now >= this.#heardAt + LOST_AFTER_MS) this.#lost(now);
  }

  /** What was on its way when the connection broke may be lost: ask. */
  onReconnect(now: number): void {
    if (this.#state === "done") return;
    this.#heardAt = now;
    this.#uncertain = this.#state === "opening";
    if (this.#state !== "opening") this.#probe(now);
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

  /** Sends a later frame of this call. */
  protected sendControl(kind: CallerFrameKind, creditItems = 0, creditBytes = 0): void {
    this.#send(kind, creditItems, creditBytes);
  }

  /** Ends the call after its last frame. */
  protected finish(): void {
    this.#finish();
  }

  #finish(): void {
    this.#state = "done";
    this.caller.forget(this);
  }

  #onFrame(frame: AnswerFrame, message: BusMessage): void {
    this.#heardAt = this.caller.now();
    if (frame.kind === "heartbeat" && frame.word !== "running") return this.#onStatus(frame.word);
    if (frame.attempt < this.attempt || (frame.attempt > this.attempt && this.committed)) return;
    this.#unknownAt = Infinity;
    this.attempt = frame.attempt;
    if (frame.kind === "moved") return this.#onMoved(frame);
    this.instance = frame.instance;
    this.#state = "running";
    if (frame.kind === "heartbeat") this.onHeartbeat();
    else if (this.answered(frame, message)) this.#finish();
  }

  /** An instance is at it. */
  protected onHeartbeat(): void {}

  #onStatus(word: string): void {
    if (word === "queued") this.#unknownAt = Infinity;
    else if (word === "unknown" && this.#unknownAt === Infinity) this.#unknownAt = this.caller.now();
  }

  #onMoved(frame: AnswerFrame): void {
    this.route = operatorRoute(this.caller.subjects, unescapeName(frame.word));
    this.instance = undefined;
    this.#storedSeq = frame.seq;
    this.#state = "stored";
  }

  #onStored(payload: Uint8Array): void {
    let ack: { seq?: number; error?: { code?: number; err_code?: number; description?: string } };
    try {
      ack = JSON.parse(new TextDecoder().decode(payload));
    } catch {
      return;
    }
    if (ack.error !== undefined) {
      const text = ack.error.description ?? "refused";
      const full = /maximum (messages|bytes)|resource|insufficient/i.test(text);
      this.fail(
        this.#fault(
          full ? "QUEUE_FULL" : "QUEUE_REFUSED",
          `the broker did not store it: ${text}`,
          full ? Code.ResourceExhausted : Code.Unavailable,
        ),
        false,
      );
    } else if (typeof ack.seq === "number") {
      this.#storedSeq = ack.seq;
      this.#heardAt = this.caller.now();
      this.#state = "stored";
      this.onAccepted();
    }
  }

  #onNoResponders(): void {
    if (this.#state === "opening") {
      this.#nobody = true;
      this.#uncertain = false;
      this.#retryAt = this.caller.now() + this.#retryMs;
      this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
      this.caller.wakeBy(this.#retryAt);
    } else if (this.#state === "running" && !this.route.stored) {
      this.fail(this.#fault("INSTANCE_LOST", `instance ${this.instance} is gone`, Code.Unavailable), false);
    }
  }

  #wakeOpening(now: number): void {
    if (now >= this.#giveUpAt) {
      this.#giveUpAt = Infinity;
      // A direct request that nobody refused may run for as long as it likes; its heartbeats tell.
      if (this.#nobody || this.#uncertain || this.route.stored) this.#giveUp();
    } else if (now >= this.#retryAt) this.#reopen();
    else if (now >= this.#heardAt + ACK_WAIT_MS) {
      this.#heardAt = now;
      // Silence after a lost connection may hide that it was taken: only what may run twice is sent again.
      if (this.#uncertain && this.request.idempotent) this.#reopen();
      else if (!this.#uncertain && this.route.stored) void this.#reopenOnceDeclared();
      else if (!this.route.stored && now >= this.#startedAt + LOST_AFTER_MS) this.#outcomeUnknown();
    }
  }

  #reopen(): void {
    try {
      this.open();
    } catch (error) {
      this.fail(error as ConnectError, false);
    }
  }

  /** A stranger who listens to everything hides "no responders": only discovery can tell that there was no queue yet. */
  async #reopenOnceDeclared(): Promise<void> {
    if (this.#nobody) return;
    const declared = await this.caller.isDeclared(this.route.operator);
    if (declared === false) this.#nobody = true;
    while (declared === false && this.#state === "opening") {
      if (await this.caller.isDeclared(this.route.operator) !== false) return this.#reopen();
      await new Promise((resolve) => setTimeout(resolve, MAX_RETRY_MS));
    }
  }

  #giveUp(): void {
    const waited = `nobody took it within ${this.caller.operatorWaitMs} ms`;
    if (!this.#nobody) return this.#outcomeUnknown();
    this.#retryAt = Infinity;
    void this.caller.isDeclared(this.route.operator).then((declared) => {
      if (this.#state !== "opening") return;
      const unknown = declared === false;
      this.fail(
        unknown
          ? this.#fault("UNKNOWN_OPERATOR", `no such operator is declared, and ${waited}`, Code.NotFound)
          : this.#fault("NO_INSTANCE", waited, Code.Unavailable),
        false,
      );
    });
  }

  #probe(now: number): void {
    this.#heardAt = now;
    this.#probeDelayMs = Math.min(this.#probeDelayMs * 2, MAX_PROBE_DELAY_MS);
    this.#send("probe");
  }

  #lost(now: number): void {
    if (this.route.stored && !this.committed && !this.route.once) {
      // The broker delivers it again after its own wait; the next attempt reports with a higher number.
      this.#state = "stored";
      this.#probeDelayMs = this.caller.probeMs;
      this.#probe(now);
    } else {this.fail(
        this.#fault("INSTANCE_LOST", `instance ${this.instance} fell silent for ${LOST_AFTER_MS} ms`, Code.Unavailable),
        true,
      );}
  }

  #outcomeUnknown(): void {
    this.fail(this.#fault("OUTCOME_UNKNOWN", "nobody knows what became of it: outcome unknown", Code.Unavailable), true);
  }

  #send(kind: CallerFrameKind, creditItems = 0, creditBytes = 0): void {
    const { route } = this;
    const subject = this.instance !== undefined && (kind !== "probe" || !route.stored)
      ? route.control(this.instance)
      : route.everyone ?? route.subject;
    const headers = { [FRAME_HEADER]: this.#frame(kind, "", creditItems, creditBytes) };
    const reply = kind === "probe" ? this.caller.answerSubject(this.id) : undefined;
    try {
      this.caller.bus.publish(subject, EMPTY, { headers, reply });
    } catch {
      // The connection is closed; every call of it fails on its own.
    }
  }

  #frame(
    kind: CallerFrameKind,
    method: string,
    creditItems = this.request.creditItems,
    creditBytes = this.request.creditBytes,
  ): string {
    const left = this.#deadlineAt === Infinity ? 0 : Math.max(1, Math.round(this.#deadlineAt - this.caller.now()));
    return encodeCallerFrame({
      kind,
      codec: "proto",
      caller: this.caller.id,
      call: this.id,
      seq: this.#storedSeq,
      timeoutMs: left,
      creditItems,
      creditBytes,
      base: 0,
      once: this.route.once,
      method,
    });
  }

  #fault(reason: string, what: string, code: Code): ConnectError {
    const { route, instance, attempt } = this;
    return fault(`Cannot call ${route.label}: ${what}`, code, { reason, operator: route.operator, instance, attempt });
  }
}

const EMPTY = new Uint8Array(0);
