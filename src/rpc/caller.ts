import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus, BusMessage, BusSubscription } from "../bus/bus.ts";
import { type Logger, silentLogger } from "../bus/logger.ts";
import { ByteWindow } from "./byte-window.ts";
import { fault } from "./error.ts";
import { type AnswerFrame, decodeAnswerFrame, FRAME_HEADER, PACK_CALL, readPack } from "./frame.ts";
import { LOST_AFTER_MS } from "./call-timing.ts";
import { Hearing } from "./hearing.ts";
import { isOwnedId, ownedId } from "./ids.ts";
import type { PendingCall } from "./pending-call.ts";
import type { Route, RouteLookup } from "./route.ts";
import { Subjects } from "./subjects.ts";

/** How a caller behaves. */
export interface CallerOptions {
  /** The deployment's namespace. */
  namespace: string;
  /** This caller's id, one subject token or two; answers come to `wb.<namespace>.r.<id>.>`. Default: random, below the user's name. */
  callerId?: string;
  /** How long a request may find nobody to take it. Default 5,000 ms. */
  operatorWaitMs?: number;
  /** Silence after which a stored call's status is asked for the first time. Default 2,000 ms. */
  probeMs?: number;
  /** Most bytes that calls have on their way, both ways together. Default 16 MiB. */
  windowBytes?: number;
  /** What discovery says of where a request wants to go. Default: it cannot tell. */
  lookUp?: (route: Route) => Promise<RouteLookup>;
  /** Default: silent. */
  logger?: Logger;
}

/** A canceled call costs some hundred bytes; the oldest are forgotten first. */
const MAX_CANCELED = 10_000;

/**
 * The calling half of a connection: one wildcard subscription for all answers, one table of open calls, one timer for all of
 * their deadlines.
 */
export class Caller implements AsyncDisposable {
  readonly bus: Bus;
  readonly id: string;
  readonly subjects: Subjects;
  readonly operatorWaitMs: number;
  readonly probeMs: number;
  readonly window: ByteWindow;
  readonly logger: Logger;
  /** Asks discovery. */
  readonly lookUp: (route: Route) => Promise<RouteLookup>;
  /** Most bytes on their way; streams share it. */
  readonly windowBytes: number;
  /** Streams that are open. */
  streams = 0;
  readonly #calls = new Map<string, PendingCall>();
  /** Calls that were ended from here, until nobody can be working on them any more: whoever still does is told again. */
  readonly #canceled = new Map<string, PendingCall>();
  readonly #inbox: BusSubscription;
  readonly #prefix: string;
  readonly #offStatus: () => void;
  readonly #hearing: Hearing;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  /** Not sooner again. */
  #lookAt = 0;
  #closed = false;

  constructor(bus: Bus, options: CallerOptions) {
    this.bus = bus;
    this.id = checkedId(options.callerId ?? ownedId(bus.owner));
    this.subjects = new Subjects(options.namespace);
    this.operatorWaitMs = options.operatorWaitMs ?? 5_000;
    this.probeMs = options.probeMs ?? 2_000;
    this.windowBytes = options.windowBytes ?? 16 * 1024 * 1024;
    this.window = new ByteWindow(this.windowBytes);
    this.lookUp = options.lookUp ?? (() => Promise.resolve({ known: undefined }));
    this.logger = options.logger ?? silentLogger;
    this.#hearing = new Hearing(bus, LOST_AFTER_MS, () => this.wakeBy(this.#lookAt));
    this.#prefix = this.subjects.answers(this.id);
    this.#inbox = bus.subscribe(`${this.#prefix}>`, (message) => this.#onMessage(message));
    this.#offStatus = bus.onStatus((status) => {
      if (status.type === "reconnect") this.#onReconnect();
      else if (status.type === "error") this.#onRefused(status.error);
    });
    void bus.closed.then((cause) => this.#failAll(`the connection is closed${cause ? `: ${cause.message}` : ""}`));
  }

  /** Calls that have not ended. */
  get openCalls(): number {
    return this.#calls.size;
  }

  /** Monotonic milliseconds. */
  now(): number {
    return performance.now();
  }

  /** The subject of a call's answers. */
  answerSubject(call: string): string {
    return this.#prefix + call;
  }

  /** Takes a call into the table and publishes its request. Throws what publishing throws. */
  open(call: PendingCall): void {
    if (this.#closed) throw new ConnectError("Cannot call: the client is closed", Code.Unavailable);
    this.#calls.set(call.id, call);
    try {
      call.open();
    } catch (error) {
      this.#calls.delete(call.id);
      throw error;
    }
    this.wakeBy(call.wakeAt);
  }

  /** Drops an ended call. */
  forget(call: PendingCall): void {
    this.#calls.delete(call.id);
    this.#canceled.delete(call.id);
  }

  /** Drops a canceled call, but listens to what is still heard of it. */
  remember(call: PendingCall): void {
    this.#calls.delete(call.id);
    this.#canceled.set(call.id, call);
    const now = this.now();
    for (const [id, oldest] of this.#canceled) {
      if (this.#canceled.size <= MAX_CANCELED && oldest.deadlineAt > now) break;
      this.#canceled.delete(id);
    }
  }

  /** Makes sure that calls are looked at by then. */
  wakeBy(at: number): void {
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#wake(), Math.max(0, Math.min(at - this.now(), 60_000)));
  }

  /** Fails what is open with `canceled` and stops listening; the connection stays open. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#failAll("the client was closed", Code.Canceled, true);
    this.#offStatus();
    this.#canceled.clear();
    this.#inbox.unsubscribe();
    if (this.bus.connected) await this.bus.flush().catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #onMessage(message: BusMessage): void {
    this.#hearing.messages++;
    const id = message.subject.slice(this.#prefix.length);
    if (id === PACK_CALL) return this.#onPack(message);
    const call = this.#calls.get(id) ?? this.#canceled.get(id);
    if (call === undefined) return;
    if (message.status !== undefined) return call.onMessage(message, undefined);
    const header = message.header(FRAME_HEADER);
    if (header === undefined) return call.onMessage(message, undefined);
    const frame = decodeAnswerFrame(header);
    if (frame === undefined) this.logger.warn("Dropped a broken frame", { subject: message.subject });
    else call.onMessage(message, frame);
  }

  #onPack(message: BusMessage): void {
    if (!readPack(message.header(FRAME_HEADER), message.payload, this.#onPacked)) {
      this.logger.warn("Dropped a broken frame", { subject: message.subject });
    }
  }

  readonly #onPacked = (id: string, frame: AnswerFrame, payload: Uint8Array): void => {
    const call = this.#calls.get(id) ?? this.#canceled.get(id);
    call?.onMessage(new PackedMessage(this.#prefix + id, payload), frame);
  };

  #wake(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const now = this.now();
    const { upTo } = this.#hearing;
    let next = Infinity;
    let unheard = false;
    for (const call of this.#calls.values()) {
      if (call.wakeAt <= upTo || call.deadlineAt <= now) call.onWake(now);
      if (call.done) continue;
      const { wakeAt } = call;
      if (wakeAt > now) next = Math.min(next, wakeAt);
      else {
        unheard = true;
        next = Math.min(next, call.deadlineAt);
      }
    }
    if (unheard) this.#hearing.ask();
    // Looking at many calls takes a while: no more than a twentieth of the time.
    const end = this.now();
    this.#lookAt = end + Math.max(5, 20 * (end - now));
    if (next !== Infinity) this.wakeBy(Math.max(next, this.#lookAt));
  }

  #onReconnect(): void {
    const now = this.now();
    for (const call of this.#calls.values()) call.onReconnect(now);
    this.wakeBy(now + 250);
  }

  /** The broker names the subject that it refused, and not the message. */
  #onRefused(error: Error): void {
    if (!(error instanceof ConnectError) || error.code !== Code.PermissionDenied) return;
    for (const call of [...this.#calls.values()]) {
      const { label, operator, subject } = call.route;
      if (!error.rawMessage.includes(`"${subject}"`)) continue;
      const text = `Cannot call ${label}: the broker does not permit it to this user`;
      call.fail(fault(text, Code.PermissionDenied, { operator }, error), false);
    }
  }

  #failAll(why: string, code: Code = Code.Unavailable, tell = false): void {
    for (const call of [...this.#calls.values()]) {
      call.fail(new ConnectError(`The call ended without an answer: ${why}`, code), tell);
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** A frame of a pack as if it had come alone. */
class PackedMessage implements BusMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly reply = undefined;
  readonly status = undefined;
  readonly statusText = undefined;

  constructor(subject: string, payload: Uint8Array) {
    this.subject = subject;
    this.payload = payload;
  }

  header(): undefined {}
}

function checkedId(id: string): string {
  if (isOwnedId(id)) return id;
  throw new ConnectError(
    `Cannot use "${id}" as a caller id: it wants 1 to 64 characters of a-z, A-Z, 0-9, "_" and "-", alone or after a name and a dot`,
    Code.InvalidArgument,
  );
}
