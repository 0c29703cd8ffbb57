import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor, type MethodImplSpec } from "@connectrpc/connect";
import { createAsyncIterable, invokeUnaryImplementation, transformInvokeImplementation } from "@connectrpc/connect/protocol";
import { Absence } from "./absence.ts";
import type { CallServer } from "./call-server.ts";
import { decodeMessage, encodeMessage } from "./codec.ts";
import { Credit } from "./credit.ts";
import type { CallInfo, Delivery } from "./delivery.ts";
import { encodeError, fault } from "./error.ts";
import { type AnswerFrameKind, type CallerFrame, encodeAnswerFrame, HEADER_ROOM_BYTES } from "./frame.ts";
import { LazyHandlerContext } from "./handler-context.ts";
import type { InboundOwner } from "./inbound.ts";
import { Intake } from "./intake.ts";
import { logFacts, type RequestFacts } from "./log-facts.ts";
import { encodeMetadata } from "./metadata.ts";

const EMPTY = new Uint8Array(0);
/** What is told of an error that does not fit a message. */
const MAX_SHORT_MESSAGE = 4_096;

/**
 * A call as the instance that has it sees it:
 *
 * - running: the handler is at work, beats are sent. Its return, its error, a cancel, the deadline and the shutdown each lead
 *   to `answered`, the first one wins.
 * - answered: the final frame is out (or nobody wanted one) and the broker told; nothing more is sent. A handler that
 *   ignores its signal still holds its slot.
 * - settled: the handler has returned, the slot is free.
 */
export class RunningCall implements CallInfo, InboundOwner {
  readonly key: string;
  readonly frame: CallerFrame;
  readonly delivery: Delivery;
  readonly #server: CallServer;
  readonly #attempt: number;
  readonly #context: LazyHandlerContext;
  readonly #credit: Credit;
  /** Of methods whose caller streams. */
  #intake: Intake | undefined;
  #interrupt: ((error: ConnectError) => void) | undefined;
  #beat = 0;
  #answered = false;
  /** The broker has confirmed that it never delivers the request again. */
  #committed = false;
  /** The broker was told that the request is dealt with. */
  #acknowledged = false;
  #consumers: (() => void)[] | undefined;
  #slotFree = false;
  #sent = 0;
  #absence: Absence | undefined;

  constructor(
    server: CallServer,
    key: string,
    spec: MethodImplSpec,
    frame: CallerFrame,
    metadata: string | undefined,
    delivery: Delivery,
  ) {
    this.key = key;
    this.frame = frame;
    this.#server = server;
    this.delivery = delivery;
    this.#attempt = frame.base + delivery.attempt;
    this.#credit = new Credit(frame.creditItems, frame.creditBytes);
    const url = `bus:${frame.method}`;
    this.#context = new LazyHandlerContext({ method: spec.method, url, metadata, deadlineAt: delivery.deadlineAt, info: this });
  }

  /** Runs the handler to its end. Never rejects. */
  async run(spec: MethodImplSpec, payload: Uint8Array, interceptors: Interceptor[]): Promise<void> {
    try {
      this.#start();
      if (this.frame.once) this.#acknowledge();
      if (spec.kind === "unary") await this.#runUnary(spec, this.#decode(spec.method.input, payload), interceptors);
      else if (spec.kind !== "server_streaming") await this.#runUpload(spec, payload, interceptors);
      else {
        const message = this.#decode(spec.method.input, payload);
        const outputs = interceptors.length === 0
          ? spec.impl(message, this.#context)
          : transformInvokeImplementation(spec, this.#context.materialize(), interceptors)(createAsyncIterable([message]));
        await this.#runStream(spec.method.output, outputs);
      }
    } catch (error) {
      this.abort(this.#errorOf(error));
    } finally {
      this.#end();
      this.#freeSlot();
    }
  }

  /** Ends the call with an error: a cancel, its deadline, a lost caller, the shutdown, or what the handler threw. */
  abort(error: ConnectError): void {
    if (this.#answered) return;
    try {
      this.#answer("error", encodeError(error), encodeMetadata(this.#errorMetadata(error)));
    } catch (cause) {
      // Details or metadata past the broker's limit: the code and the message still fit.
      this.#server.logger.warn("Cannot send an error whole", { ...this.#facts, cause: String(cause) });
      const short = new ConnectError(error.rawMessage.slice(0, MAX_SHORT_MESSAGE), error.code);
      try {
        this.#answer("error", encodeError(short), "");
      } catch (lost) {
        // Not acknowledged either: a stored request goes to another instance, or comes back to this one.
        this.#answered = true;
        this.#server.logger.error("Cannot answer a call", { ...this.#facts, error: String(lost) });
      }
    }
    this.#interrupt?.(error);
    this.#intake?.messages.finish(error);
    this.#context.abort(error);
  }

  get streamed(): boolean {
    return this.#intake !== undefined;
  }

  delegate(operatorToken: string, storedSeq: number): boolean {
    if (this.#answered) return false;
    this.#answered = true;
    if (this.frame.kind !== "post") {
      this.#server.publishFinal(this.key, this.frame, this.#header("moved", storedSeq, operatorToken), EMPTY);
    }
    this.#acknowledge();
    this.#consumers = undefined;
    return true;
  }

  whenConsumed(callback: () => void): void {
    (this.#consumers ??= []).push(callback);
  }

  /** A frame that the caller sent later. */
  onFrame(frame: CallerFrame, payload: Uint8Array): void {
    this.#absence = undefined;
    if (frame.kind === "cancel") this.abort(new ConnectError("The call was canceled by its caller", Code.Canceled));
    else if (frame.kind === "probe") this.#server.publishAnswer(this.frame, this.#header("heartbeat", 0, "running"), EMPTY);
    else {
      const news = this.#credit.grant(frame.creditItems, frame.creditBytes);
      if (this.#intake !== undefined) this.#onUpload(this.#intake, frame, payload, news);
    }
  }

  shareItems(): number {
    return this.#server.uploadShareItems();
  }

  shareBytes(): number {
    return this.#server.uploadShareBytes();
  }

  /** Tells the caller how much it may send, and how much it was sent. */
  onCredit(): void {
    if (this.#intake === undefined || this.#answered) return;
    this.#server.publishAnswer(this.frame, this.#header("credit", this.#sent, this.#intake.credit), EMPTY);
  }

  #onUpload(intake: Intake, frame: CallerFrame, payload: Uint8Array, news: boolean): void {
    if (this.#answered) return;
    // What a caller repeats with the heartbeats says nothing new, unless something got lost, here or on the way back.
    const repeated = frame.kind === "credit" ? !news : frame.kind === "half-close" && intake.messages.ended;
    const error = intake.take(frame, payload);
    if (error !== undefined) this.abort(error);
    else if (repeated) this.onCredit();
  }

  #start(): void {
    const { frame } = this;
    const answerSubject = frame.kind === "post" ? undefined : this.#server.answerSubject(frame);
    const header = this.#header("heartbeat", 0, "running");
    this.#beat = this.#server.beats.start({ answerSubject, header, progressSubject: this.delivery.progressSubject }, () => {
      this.#onUnheard();
    });
    this.#server.deadlines.watch(this.delivery.deadlineAt);
  }

  get deadlineAt(): number {
    return this.delivery.deadlineAt;
  }

  /** Its deadline has passed. */
  expire(): void {
    this.abort(new ConnectError(`The deadline of ${this.frame.timeoutMs} ms has passed`, Code.DeadlineExceeded));
  }

  /** A heartbeat found no listener. */
  #onUnheard(): void {
    if (!(this.#absence ??= new Absence()).noticed()) return;
    // To a caller that is there after all, having lost its connection for a while, this is no cancel of its own.
    this.abort(fault("The caller is gone", Code.Unavailable, { reason: "CALLER_GONE", instance: this.#server.instance }));
  }

  async #runUnary(
    spec: MethodImplSpec & { kind: "unary" },
    message: MessageShape<DescMessage>,
    interceptors: Interceptor[],
  ): Promise<void> {
    const output = interceptors.length === 0
      ? await spec.impl(message, this.#context)
      : await invokeUnaryImplementation(spec, this.#context.materialize(), message, interceptors);
    // Before the answer: the pull for the next request then leaves in one write with the answer and its acknowledgement, and the
    // broker is woken once for all three.
    this.#freeSlot();
    if (this.#answered) return;
    const payload = this.#encode(spec.method.output, output);
    this.#answer("response", payload, encodeMetadata(this.#context.sentHeader, this.#context.sentTrailer));
  }

  /** A caller that streams sends its messages to this instance alone, so that the broker must not deliver the request again. */
  async #runUpload(spec: MethodImplSpec, payload: Uint8Array, interceptors: Interceptor[]): Promise<void> {
    const intake = this.#intake = new Intake(
      this,
      this.frame,
      this.frame.seq === 0 ? undefined : payload,
      this.#server.instance,
    );
    this.#server.uploads++;
    try {
      await this.#commit();
      this.onCredit();
      const decode = (item: { readonly payload: Uint8Array }) => this.#decode(spec.method.input, item.payload);
      const inputs = (async function* () {
        for await (const item of intake.messages) yield decode(item);
      })();
      const outputs = transformInvokeImplementation(spec, this.#context.materialize(), interceptors)(inputs);
      await this.#runStream(spec.method.output, outputs);
    } finally {
      this.#server.uploads--;
      void intake.messages.return();
    }
  }

  async #runStream(type: DescMessage, outputs: AsyncIterable<MessageInitShape<DescMessage>>): Promise<void> {
    const iterator = outputs[Symbol.asyncIterator]();
    try {
      for (;;) {
        const result = await this.#interruptible(iterator.next());
        if (this.#answered) return;
        if (!this.#committed) await this.#commit();
        if (result.done) break;
        const payload = this.#encode(type, result.value);
        const credit = this.#credit.wait();
        if (credit !== undefined) await this.#interruptible(credit);
        this.#server.publishAnswer(
          this.frame,
          this.#header("item", ++this.#sent),
          payload,
          this.#sent === 1 ? encodeMetadata(this.#context.sentHeader) : "",
        );
        this.#server.beats.spoke(this.#beat);
        this.#credit.sent(payload.length);
      }
      const header = this.#sent === 0 ? this.#context.sentHeader : undefined;
      this.#answer("end", EMPTY, encodeMetadata(header, this.#context.sentTrailer));
    } catch (error) {
      this.abort(this.#errorOf(error));
    } finally {
      // A generator that waits for something that never comes must not hold this up: it has its signal.
      if (this.#answered) await Promise.resolve(iterator.return?.()).catch(() => {});
    }
  }

  /** Before the first frame of many: once a part of the answer is out, the broker must never deliver the request again. */
  async #commit(): Promise<void> {
    try {
      await this.#interruptible(this.delivery.confirm());
    } catch (cause) {
      if (this.#answered) throw cause;
      const text = `Cannot begin to answer ${this.frame.method}: the broker did not confirm that it will not deliver it again`;
      throw fault(text, Code.Unavailable, { reason: "UNCONFIRMED", instance: this.#server.instance }, cause);
    }
    this.#committed = true;
    this.#acknowledged = true;
    this.#server.beats.acknowledged(this.#beat);
  }

  /** Rejects as soon as the call is aborted. One promise per wait: racing a long-lived one would keep every wait alive. */
  #interruptible<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      work.then(resolve, reject);
    });
  }

  #decode(type: DescMessage, payload: Uint8Array): MessageShape<DescMessage> {
    return decodeMessage(this.frame.codec, type, payload, this.#server.codecs, this.#server.registry);
  }

  #encode(type: DescMessage, output: MessageInitShape<DescMessage>): Uint8Array {
    const { codecs, registry } = this.#server;
    const payload = encodeMessage(this.frame.codec, type, create(type, output), codecs, registry);
    const limit = this.#server.bus.maxPayloadBytes - HEADER_ROOM_BYTES;
    if (payload.length <= limit) return payload;
    throw fault(
      `Cannot answer ${this.frame.method}: the message takes ${payload.length} bytes, more than the broker's ${limit}; answer by reference`,
      Code.ResourceExhausted,
      { reason: "MESSAGE_TOO_LARGE", instance: this.#server.instance },
    );
  }

  #answer(kind: Extract<AnswerFrameKind, "response" | "error" | "end">, payload: Uint8Array, metadata: string): void {
    if (this.#answered) return;
    if (this.frame.kind !== "post") {
      const header = this.#header(kind, kind === "end" ? this.#sent + 1 : this.#sent);
      this.#server.publishFinal(this.key, this.frame, header, payload, metadata);
    }
    // Only now: what does not fit the broker is thrown, and answered by an error that does.
    this.#answered = true;
    if (!this.frame.once && !this.#committed) this.#acknowledge();
  }

  #header(kind: AnswerFrameKind, seq: number, word?: string): string {
    return encodeAnswerFrame(kind, this.frame.codec, this.#server.instance, this.#attempt, seq, word);
  }

  /** The handler has returned. */
  #freeSlot(): void {
    if (this.#slotFree) return;
    this.#slotFree = true;
    this.delivery.settled();
  }

  #acknowledge(): void {
    this.#acknowledged = true;
    this.#server.answers.acknowledge(this.delivery);
    this.#server.beats.acknowledged(this.#beat);
  }

  /** As Connect has it over HTTP: what a handler did not mean to tell stays here, in the log. */
  #errorOf(error: unknown): ConnectError {
    if (error instanceof ConnectError) return error;
    this.#server.logger.error("A handler failed", { ...this.#facts, error: String(error) });
    return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
  }

  get #facts(): RequestFacts {
    return logFacts(this.frame, this.#attempt, this.delivery.operator, this.#context.metadata);
  }

  #errorMetadata(error: ConnectError): Headers | undefined {
    const { sentHeader, sentTrailer } = this.#context;
    const headers = new Headers(sentHeader);
    for (const more of [sentTrailer, error.metadata]) more?.forEach((value, name) => headers.append(name, value));
    return headers;
  }

  #end(): void {
    this.#server.beats.stop(this.#beat);
    this.#context.end();
    const consumers = this.#consumers;
    // After the acknowledgement, which may leave with the answers at the end of this turn.
    if (consumers !== undefined && this.#acknowledged) queueMicrotask(() => consumers.forEach((consumed) => consumed()));
    this.#server.settled(this);
  }
}
