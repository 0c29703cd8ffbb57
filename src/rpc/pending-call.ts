import { Code, type ConnectError } from "@connectrpc/connect";
import type { BusMessage } from "../bus/bus.ts";
import { laterFrame, openingFrame } from "./call-frame.ts";
import type { CallRequest } from "./call-request.ts";
import * as timing from "./call-timing.ts";
import type { Caller } from "./caller.ts";
import { fault } from "./error.ts";
import { type AnswerFrame, type CallerFrameKind, FRAME_HEADER, META_HEADER } from "./frame.ts";
import { randomId } from "./ids.ts";
import { publishLater, storeCancel } from "./later-frames.ts";
import { unescapeName } from "./names.ts";
import { operatorRoute, type Route } from "./route.ts";
import { readStoreAnswer } from "./store-answer.ts";

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
  readonly caller: Caller;
  route: Route;
  /** The instance that answers, once known. */
  protected instance: string | undefined;
  protected attempt = 0;
  #state: "opening" | "stored" | "running" | "done" = "opening";
  #storedSeq = 0;
  /** Since when there is silence. */
  #heardAt: number;
  /** Since when an instance could have taken it. */
  #openedAt: number;
  #giveUpAt: number;
  #retryAt = Infinity;
  #retryMs = timing.FIRST_RETRY_MS;
  #probeAt: number;
  #probeDelayMs: number;
  #reconnectedAt = -Infinity;
  #unknownAt = Infinity;
  #canceledAt = -Infinity;
  #movedAttempt = 0;
  /** Nobody listened where it was published. */
  #nobody = false;
  /** Published over a connection that broke before anything was heard of it. */
  #uncertain = false;
  /** Whether there was a connection when it was published; else it waits for one. */
  #wentOut = false;
  #lookingUp = false;
  /** Published more than once. */
  #repeated = false;

  constructor(caller: Caller, request: CallRequest) {
    this.caller = caller;
    this.request = request;
    this.route = request.route;
    const now = this.#heardAt = this.#openedAt = caller.now();
    this.#giveUpAt = now + timing.patienceMs(this.caller.operatorWaitMs, this.route);
    this.deadlineAt = request.timeoutMs === undefined ? Infinity : now + request.timeoutMs;
    this.#probeDelayMs = caller.probeMs;
    this.#probeAt = now + caller.probeMs;
  }

  /** When {@linkcode onWake} wants to be called next, on the caller's clock. */
  get wakeAt(): number {
    if (!this.caller.bus.connected) return this.deadlineAt;
    let at: number;
    if (this.#state === "opening") at = Math.min(this.#retryAt, this.#heardAt + timing.ACK_WAIT_MS, this.#giveUpAt);
    else if (this.#state === "running") at = Math.min(this.#probeAt, this.#heardAt + timing.LOST_AFTER_MS);
    else at = this.#probeAt;
    return Math.min(at, this.#verdictAt, this.deadlineAt);
  }

  get done(): boolean {
    return this.#state === "done";
  }

  /** Publishes the request. */
  open(): void {
    const { request, route, caller } = this;
    const headers: Record<string, string> = {
      [FRAME_HEADER]: openingFrame(this),
    };
    if (request.metadata !== "") headers[META_HEADER] = request.metadata;
    // Published again, it might be stored twice.
    const key = request.idempotencyKey ?? (this.#repeated && route.stored ? this.id : undefined);
    if (key !== undefined) headers["Nats-Msg-Id"] = `${caller.id}/${key}`;
    this.#retryAt = Infinity;
    this.#uncertain = false;
    this.#wentOut = caller.bus.connected;
    caller.bus.publish(route.subject, request.payload, { headers, reply: caller.answerSubject(this.id) });
  }

  /** Ends the call with an error and, unless the far side has ended it, tells whoever has it to stop. */
  fail(error: ConnectError, tell: boolean): void {
    if (this.#state === "done") return;
    this.finish();
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
    if (now >= this.deadlineAt) this.expire(true);
    else if (!this.caller.bus.connected) return;
    else if (now >= this.#verdictAt) this.#outcomeUnknown();
    else if (this.#state === "opening") this.#wakeOpening(now);
    else if (this.#state === "running" && now >= this.#heardAt + timing.LOST_AFTER_MS) this.#lost(now, timing.SILENT);
    else if (now >= this.#probeAt) this.#probe(now);
  }

  /** What was on its way when the connection broke may be lost: ask. What waited for the connection has just been sent. */
  onReconnect(now: number): void {
    if (this.#state === "done") return;
    this.#heardAt = this.#openedAt = this.#reconnectedAt = now;
    this.#unknownAt = Infinity;
    if (this.#state !== "opening") return this.#probe(now);
    this.#giveUpAt = now + timing.patienceMs(this.caller.operatorWaitMs, this.route);
    // What nobody listened to before has not been taken.
    this.#uncertain = this.#wentOut && this.#retryAt === Infinity;
    this.#wentOut = true;
    if (!this.#uncertain) return;
    this.#nobody = false;
    this.#probe(now);
  }

  /** A `response`, `item`, `error`, `end` or `credit` of the accepted attempt. Returns whether it ended the call. */
  protected abstract answered(frame: AnswerFrame, message: BusMessage): boolean;
  protected abstract rejected(error: unknown): void;
  /** Called once when the request is stored, or dropped as one that was sent before; fire-and-forget ends there. */
  protected onAccepted(_duplicate: boolean): void {}
  /** Whether a part of the answer reached the user: then no other attempt may follow. */
  protected get committed(): boolean {
    return false;
  }
  /** An instance is at it. */
  protected onHeartbeat(): void {}

  /** Ends the call at its deadline; `tell` as in {@linkcode fail}. */
  protected expire(tell: boolean): void {
    const hint = this.#state === "opening" && this.#nobody ? ", and nobody served it so far" : "";
    const text = `it took longer than ${this.request.timeoutMs} ms${hint}`;
    this.fail(this.#fault("DEADLINE", text, Code.DeadlineExceeded), tell);
  }

  /** When nobody knowing the call is taken for the truth. */
  get #verdictAt(): number {
    return Math.max(this.#unknownAt + timing.UNKNOWN_GRACE_MS, this.#reconnectedAt + timing.REJOIN_MS);
  }

  /** Ends the call after its last frame. */
  protected finish(): void {
    this.#state = "done";
    this.caller.forget(this);
  }

  #onFrame(frame: AnswerFrame, message: BusMessage): void {
    const now = this.caller.now();
    const isStatus = frame.kind === "heartbeat" && frame.word !== "running";
    // Not heard: its signs of life say nothing about the execution that counts.
    if (!isStatus && frame.kind !== "moved" && this.#isStale(frame)) return;
    this.#heardAt = now;
    if (isStatus) return this.#onStatus(frame, now);
    if (frame.kind === "moved") return this.#onMoved(frame, now);
    this.#unknownAt = Infinity;
    this.#probeAt = now + this.caller.probeMs;
    this.attempt = frame.attempt;
    this.instance = frame.instance;
    this.#state = "running";
    if (frame.kind === "heartbeat") this.onHeartbeat();
    else if (this.answered(frame, message)) this.finish();
  }

  /** An earlier attempt, or a second execution of a call that is one instance's: that must not be mixed with it, and is told to stop. */
  #isStale({ kind, attempt, instance }: AnswerFrame): boolean {
    if (!this.committed) return attempt < this.attempt;
    if (kind === "heartbeat" && instance !== this.instance) {
      publishLater(this.caller, this.route.control(instance), laterFrame(this, "cancel", this.#storedSeq), undefined);
    }
    return attempt !== this.attempt || instance !== this.instance;
  }

  #onStatus({ word, instance }: AnswerFrame, now: number): void {
    if (word === "queued") {
      this.#unknownAt = Infinity;
      this.#probeAt = now + this.#probeDelayMs;
    } else if (word !== "unknown") return;
    else if (this.#state === "running") {
      // Of all that were asked, only the one that has the call must know it.
      if (instance === this.instance) this.#lost(now, "knows nothing of it any more");
    } else if (this.#unknownAt === Infinity) {
      this.#unknownAt = now;
      this.caller.wakeBy(this.#verdictAt);
    }
  }

  /** Handed on by the instance that had it. The other operator's first frame may have come before this one. */
  #onMoved(frame: AnswerFrame, now: number): void {
    if (frame.attempt <= this.#movedAttempt || this.committed && frame.attempt >= this.attempt) return;
    this.#movedAttempt = frame.attempt;
    const route = operatorRoute(this.caller.subjects, unescapeName(frame.word), {
      mode: frame.seq === 0 ? "direct" : this.route.once ? "at-most-once" : "queue",
    });
    this.route = route;
    this.#storedSeq = frame.seq;
    if (frame.attempt < this.attempt || this.#state === "done") return;
    this.attempt = frame.attempt;
    this.instance = undefined;
    this.#unknownAt = Infinity;
    this.#probeDelayMs = this.caller.probeMs;
    this.#probeAt = now + this.#probeDelayMs;
    this.#state = route.stored ? "stored" : "running";
  }

  #onStored(payload: Uint8Array): void {
    const answer = readStoreAnswer(payload);
    if (answer?.seq !== undefined) this.#storedSeq = answer.seq;
    if (answer === undefined || this.#state !== "opening") return;
    const { refusal } = answer;
    if (refusal !== undefined) {
      this.fail(this.#fault(refusal.reason, `the broker did not store it: ${refusal.text}`, refusal.code), false);
    } else if (answer.duplicate && !this.#repeated && this.request.kind === "request") {
      const key = this.request.idempotencyKey;
      this.fail(this.#fault("DUPLICATE", `a request with the key "${key}" was sent before`, Code.AlreadyExists), false);
    } else {
      this.#state = "stored";
      this.#probeAt = this.caller.now() + this.#probeDelayMs;
      this.onAccepted(answer.duplicate && !this.#repeated);
    }
  }

  #onNoResponders(): void {
    const now = this.caller.now();
    if (this.#state === "opening") {
      this.#nobody = true;
      this.#uncertain = false;
      this.#retryAt = now + this.#retryMs;
      this.#retryMs = Math.min(this.#retryMs * 2, timing.MAX_RETRY_MS);
      this.caller.wakeBy(this.#retryAt);
    } else if (this.#state === "stored") void this.#checkQueue();
    else if (now < this.#reconnectedAt + timing.LOST_AFTER_MS) {
      // The instance may have lost its connection with us, and be a little later back.
      this.#probeAt = now + timing.MAX_RETRY_MS / 2;
      this.caller.wakeBy(this.#probeAt);
    } else this.#lost(now, "is gone");
  }

  #wakeOpening(now: number): void {
    if (now >= this.#giveUpAt) {
      // Nobody refused it: the first sign of life may take as long as any other.
      const lostAt = this.#openedAt + timing.LOST_AFTER_MS;
      this.#giveUpAt = this.#nobody || now >= lostAt ? Infinity : lostAt;
      if (this.#giveUpAt === Infinity) void this.#giveUp();
    } else if (now >= this.#retryAt) this.#reopen();
    else if (now >= this.#heardAt + timing.ACK_WAIT_MS) {
      this.#heardAt = now;
      // Silence after a lost connection may hide that it was taken: only what may run twice is sent again.
      if (this.#uncertain && this.request.idempotent) this.#reopen();
      else if (this.#uncertain) this.#probe(now);
      else if (this.route.stored) void this.#onNoAcknowledgement();
    }
  }

  #reopen(): void {
    this.#repeated = true;
    try {
      this.open();
    } catch (error) {
      this.fail(error as ConnectError, false);
    }
  }

  /** A stranger who listens to everything hides "no responders": only discovery can tell that there was no queue yet. */
  async #onNoAcknowledgement(): Promise<void> {
    if (this.#lookingUp) return;
    this.#lookingUp = true;
    const { known } = await this.caller.lookUp(this.route);
    this.#lookingUp = false;
    if (this.#state !== "opening" || this.#retryAt !== Infinity) return;
    if (known === false) {
      this.#nobody = true;
      this.#giveUpAt = Math.min(this.#giveUpAt, this.#openedAt + timing.patienceMs(this.caller.operatorWaitMs, this.route));
      this.caller.wakeBy(this.#giveUpAt);
    } else if (this.#nobody) this.#reopen();
  }

  /** Nobody looks after the stored request; where its queue is gone too, it is lost. */
  async #checkQueue(): Promise<void> {
    const { known } = await this.caller.lookUp(this.route);
    // Declarations are written again by those who come back.
    const patient = this.caller.now() < this.#reconnectedAt + timing.REJOIN_MS;
    if (known === false && this.#state === "stored" && !patient) this.#outcomeUnknown();
  }

  async #giveUp(): Promise<void> {
    this.#retryAt = Infinity;
    const { known, missing } = await this.caller.lookUp(this.route);
    if (this.#state !== "opening") return;
    const waited = `nobody took it within ${timing.patienceMs(this.caller.operatorWaitMs, this.route)} ms`;
    if (known === false) {
      this.fail(this.#fault("NOT_DECLARED", `${missing ?? "it is not declared"}, and ${waited}`, Code.NotFound), true);
    } else if (this.#nobody) this.fail(this.#fault("NO_INSTANCE", waited, Code.Unavailable), false);
    else this.#outcomeUnknown();
  }

  #probe(now: number): void {
    // A running call is asked for again before it counts as lost.
    if (this.#state === "stored") this.#probeDelayMs = Math.min(this.#probeDelayMs * 2, timing.MAX_PROBE_DELAY_MS);
    const rejoining = now < this.#reconnectedAt + timing.REJOIN_MS;
    this.#probeAt = now + (rejoining ? timing.REJOIN_PROBE_MS : this.#probeDelayMs);
    this.send("probe");
  }

  #lost(now: number, how: string): void {
    if (this.route.stored && !this.committed && !this.route.once) {
      // The broker delivers it again after its own wait; the next attempt reports with a higher number.
      this.#state = "stored";
      this.instance = undefined;
      this.#probeDelayMs = this.caller.probeMs;
      this.#probe(now);
    } else {
      const text = `instance ${this.instance ?? "of unknown id"} ${how}`;
      this.fail(this.#fault("INSTANCE_LOST", text, Code.Unavailable), true);
    }
  }

  #outcomeUnknown(): void {
    this.fail(this.#fault("OUTCOME_UNKNOWN", "nobody knows what became of it: outcome unknown", Code.Unavailable), true);
  }

  /** Tells whoever has the call to stop, and remembers to say so again to whoever shows up with it later. */
  #cancel(): void {
    this.caller.remember(this);
    this.#canceledAt = this.caller.now();
    this.send("cancel");
  }

  /** Something is heard of a canceled call: the cancel was too early, got lost, or is still on its way. */
  #onLate(message: BusMessage, frame: AnswerFrame | undefined): void {
    const { instance } = this;
    const now = this.caller.now();
    // The instance that had it is gone: the cancel is for whoever gets it next.
    if (message.status === 503 && instance !== undefined) this.instance = undefined;
    else if (message.status !== undefined) return;
    else if (frame === undefined) {
      const seq = this.route.stored ? readStoreAnswer(message.payload)?.seq : undefined;
      if (seq === undefined || this.#storedSeq !== 0) return;
      this.#storedSeq = seq;
    } else if (frame.kind === "response" || frame.kind === "error" || frame.kind === "end") return this.caller.forget(this);
    else if (frame.kind === "moved") {
      this.#onMoved(frame, now);
      this.instance = undefined;
    } else if (frame.kind === "heartbeat" && frame.word !== "running") return;
    else if (now < this.#canceledAt + timing.CANCEL_AGAIN_MS && instance === frame.instance) return;
    else this.instance = frame.instance;
    this.#canceledAt = now;
    this.send("cancel");
  }

  /** Sends a later frame of this call. */
  protected send(kind: CallerFrameKind, creditItems = 0, creditBytes = 0, later?: number, payload?: Uint8Array): void {
    const { route } = this;
    const asking = this.instance !== undefined && kind === "cancel" || kind === "probe" && this.#state !== "opening";
    const subject = this.instance === undefined ? route.everyone ?? route.subject : route.control(this.instance);
    const frame = laterFrame(this, kind, later ?? this.#storedSeq, creditItems, creditBytes);
    // While opening, "no responders" is about the request, and must be about nothing else.
    const reply = asking ? this.caller.answerSubject(this.id) : undefined;
    if (kind === "cancel" && this.instance === undefined) {
      const leftMs = this.deadlineAt - this.caller.now();
      storeCancel(this.caller, route, { caller: this.caller.id, call: this.id }, frame, leftMs);
    }
    publishLater(this.caller, subject, frame, reply, payload);
  }

  #fault(reason: string, what: string, code: Code): ConnectError {
    const { route, instance, attempt } = this;
    return fault(`Cannot call ${route.label}: ${what}`, code, { reason, operator: route.operator, instance, attempt });
  }
}
