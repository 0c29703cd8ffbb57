import type { Registry } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor, type MethodImplSpec, type ServiceImplSpec } from "@connectrpc/connect";
import type { Bus, BusMessage } from "../bus/bus.ts";
import { type Logger, silentLogger } from "../bus/logger.ts";
import { AnswerPacker } from "./answer-packer.ts";
import { type Beats, LoopBeats } from "./beats.ts";
import { generalCodecs, type MessageCodecs } from "./codec.ts";
import type { Delivery } from "./delivery.ts";
import { Deadlines } from "./deadlines.ts";
import { encodeError, fault } from "./error.ts";
import { FinalFrames } from "./final-frames.ts";
import {
  addressOf,
  type CallerFrame,
  decodeCallerFrame,
  encodeAnswerFrame,
  FRAME_HEADER,
  META_HEADER,
  PROTOCOL_VERSION,
} from "./frame.ts";
import { ownedId, randomId } from "./ids.ts";
import { itemsShareOf, shareOf } from "./inbound.ts";
import { RunningCall } from "./running-call.ts";
import { Subjects } from "./subjects.ts";
import { Tombstones } from "./tombstones.ts";
import { methodPath } from "./transport.ts";

/** How an instance answers calls. */
export interface CallServerOptions {
  /** The deployment's namespace. */
  namespace: string;
  /** The instance's id, one subject token. Default: random. */
  instance?: string;
  /** Connect interceptors around every handler, the first one outermost. */
  interceptors?: Interceptor[];
  /** Message types that are encoded in a way of their own. Default: none. */
  codecs?: MessageCodecs;
  /** Knows what `Any` may hold, for callers that speak JSON. Default: nothing. */
  registry?: Registry;
  /** Who sends signs of life. Default: this event loop. */
  beats?: Beats;
  /** Default: silent. */
  logger?: Logger;
}

/** The methods that a subject offers, by `package.Service/Method`. */
export type Methods = ReadonlyMap<string, MethodImplSpec>;

/** Lists the methods of Connect services, as `createServiceImplSpec` makes them. */
export function methodsOf(...services: ServiceImplSpec[]): Methods {
  return new Map(services.flatMap(({ methods }) => Object.values(methods)).map((spec) => [methodPath(spec.method), spec]));
}

/** Most bytes of callers' streams on their way to an instance. */
const UPLOAD_WINDOW_BYTES = 16 * 1024 * 1024;

/** The answering half of a connection: one table of running calls, whatever subject they came from. */
export class CallServer {
  readonly bus: Bus;
  readonly instance: string;
  readonly subjects: Subjects;
  readonly beats: Beats;
  readonly finals: FinalFrames = new FinalFrames();
  readonly tombstones: Tombstones = new Tombstones();
  readonly logger: Logger;
  readonly codecs: MessageCodecs;
  readonly registry: Registry | undefined;
  /** Calls whose callers stream: they share the byte window. */
  uploads = 0;
  readonly answers: AnswerPacker;
  readonly #interceptors: Interceptor[];
  /** By caller and call: the latest execution here, where the call was handed on to another operator of this instance. */
  readonly #running = new Map<string, RunningCall>();
  readonly #unsettled = new Set<RunningCall>();
  readonly deadlines: Deadlines = new Deadlines(this.#unsettled);
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(bus: Bus, options: CallServerOptions) {
    this.bus = bus;
    this.instance = options.instance ?? randomId();
    this.subjects = new Subjects(options.namespace);
    this.logger = options.logger ?? silentLogger;
    this.codecs = options.codecs ?? generalCodecs;
    this.answers = new AnswerPacker(
      bus,
      this.subjects,
      (error) => this.logger.debug("Lost an answer", { error: String(error) }),
    );
    this.registry = options.registry;
    this.#interceptors = options.interceptors ?? [];
    this.beats = options.beats ?? new LoopBeats(bus, goneSubject(this.subjects, ownedId(bus.owner, this.instance)));
  }

  /** Calls that have not settled. */
  get running(): number {
    return this.#unsettled.size;
  }

  /** Bytes that may be on their way in one call. */
  uploadShareBytes(): number {
    return shareOf(UPLOAD_WINDOW_BYTES, this.uploads);
  }

  /** Items that may be on their way in one call. */
  uploadShareItems(): number {
    return itemsShareOf(this.uploads);
  }

  /** Reads a caller's frame; answers those of another protocol version, drops garbage with a line in the log. */
  read(message: BusMessage): CallerFrame | undefined {
    const header = message.header(FRAME_HEADER);
    const frame = decodeCallerFrame(header);
    if (frame === "version") this.#refuseVersion(header as string);
    else if (frame !== undefined) return frame;
    else this.logger.warn("Dropped a broken frame", { subject: message.subject, bytes: message.payload.length });
    return undefined;
  }

  /** The running call that a later frame, or a redelivered request, belongs to. */
  find(frame: CallerFrame): RunningCall | undefined {
    return this.#running.get(keyOf(frame));
  }

  /**
   * Starts a request. The caller has taken a slot for it, which `delivery.settled` gives back, in every case. A request that
   * was answered already gets the same answer again, a canceled one none; neither is executed.
   */
  accept(frame: CallerFrame, message: BusMessage, delivery: Delivery, methods: Methods): void {
    const key = keyOf(frame);
    if (this.#refuse(frame, key, delivery, methods)) return delivery.settled();
    const spec = methods.get(frame.method) as MethodImplSpec;
    const call = new RunningCall(this, key, spec, frame, message.header(META_HEADER), delivery);
    this.#running.set(key, call);
    this.#unsettled.add(call);
    void call.run(spec, message.payload, this.#interceptors);
  }

  /** A frame of a call that runs here, or ran: `false` when it is not known here. */
  later(frame: CallerFrame, payload: Uint8Array): boolean {
    const call = this.find(frame);
    if (call !== undefined) {
      call.onFrame(frame, payload);
      return true;
    }
    // Messages that a caller sent before it heard the end.
    if (frame.kind === "item") return false;
    const final = this.finals.get(keyOf(frame));
    if (final === undefined) return false;
    if (frame.kind === "probe") this.publishAnswer(frame, final.header, final.payload, final.metadata);
    return true;
  }

  /** Refuses a request that was not started, and leaves it to the caller what to do about it. */
  reject(frame: CallerFrame, error: ConnectError, attempt = 1): void {
    if (frame.kind !== "post") this.refuse(frame, error, attempt);
  }

  /** Refuses a direct request: who fires and forgets waits until it is taken, too. */
  refuse(frame: CallerFrame, error: ConnectError, attempt = 1): void {
    const header = encodeAnswerFrame("error", frame.codec, this.instance, frame.base + attempt, 0);
    this.publishAnswer(frame, header, encodeError(error));
  }

  /** Tells a caller who fires and forgets that its direct request was taken. */
  acceptPost(frame: CallerFrame): void {
    this.publishAnswer(frame, encodeAnswerFrame("response", frame.codec, this.instance, frame.base + 1, 0), EMPTY);
  }

  /** Reports the state of a call that is not running here: `queued` or `unknown`. */
  report(frame: CallerFrame, word: "queued" | "unknown"): void {
    this.publishAnswer(frame, encodeAnswerFrame("heartbeat", frame.codec, this.instance, 0, 0, word), EMPTY);
  }

  /** Where a call's answers go: always our own subject, never one that the message names. */
  answerSubject(frame: CallerFrame): string {
    return this.subjects.answer(frame.caller, frame.call);
  }

  /** Sends a frame to the caller. */
  publishAnswer(frame: CallerFrame, header: string, payload: Uint8Array, metadata = ""): void {
    this.answers.publish(frame.caller, frame.call, header, payload, metadata);
  }

  /** Sends the last frame of a call, and keeps it for a caller that missed it. */
  publishFinal(key: string, frame: CallerFrame, header: string, payload: Uint8Array, metadata = ""): void {
    this.publishAnswer(frame, header, payload, metadata);
    this.finals.keep(key, { header, metadata, payload, base: frame.base });
  }

  settled(call: RunningCall): void {
    if (this.#running.get(call.key) === call) this.#running.delete(call.key);
    this.#unsettled.delete(call);
    if (this.#unsettled.size === 0) this.#idle?.resolve();
  }

  /** Waits until running calls have settled; those left after `timeoutMs` are answered `unavailable` and no longer waited for. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#unsettled.size === 0) return this.deadlines.rest();
    const idle = this.#idle = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      const error = fault("The worker is shutting down", Code.Unavailable, { reason: "SHUTDOWN", instance: this.instance });
      for (const call of this.#unsettled) call.abort(error);
      idle.resolve();
    }, timeoutMs);
    await idle.promise;
    clearTimeout(timer);
    this.deadlines.rest();
  }

  #refuse(frame: CallerFrame, key: string, delivery: Delivery, methods: Methods): boolean {
    if (this.#running.get(key)?.frame.base === frame.base) return true;
    // A first delivery was never answered before; looking that up would cost more than all other checks.
    const final = delivery.attempt > 1 || frame.base > 0 ? this.finals.get(key) : undefined;
    if (final?.base === frame.base) {
      this.publishAnswer(frame, final.header, final.payload, final.metadata);
      delivery.acknowledge();
      return true;
    }
    if (this.tombstones.take(key)) {
      delivery.acknowledge();
      return true;
    }
    if (methods.has(frame.method)) return false;
    this.reject(frame, new ConnectError(`Cannot call "${frame.method}": no such method is served here`, Code.Unimplemented));
    delivery.acknowledge();
    return true;
  }

  #refuseVersion(header: string): void {
    const address = addressOf(header);
    if (address === undefined) return;
    const wanted = `Cannot read the request: protocol version ${PROTOCOL_VERSION} is spoken here, got ${
      header.split(" ", 1)[0]
    }`;
    const frame = encodeAnswerFrame("error", "proto", this.instance, 1, 0);
    const payload = encodeError(new ConnectError(wanted, Code.Unimplemented));
    this.bus.publish(this.subjects.answer(address.caller, address.call), payload, { headers: { [FRAME_HEADER]: frame } });
  }
}

/** Where "no responders" to an instance's heartbeats come back, without the beat's handle. */
export function goneSubject(subjects: Subjects, instance: string): string {
  return `${subjects.answers(instance)}gone.`;
}

function keyOf(frame: CallerFrame): string {
  return `${frame.caller}.${frame.call}`;
}

const EMPTY = new Uint8Array(0);
