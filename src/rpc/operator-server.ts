import { Code } from "@connectrpc/connect";
import type { OperatorDeclaration } from "../../gen/waybill/v1/discovery_pb.ts";
import type { BusMessage, BusSubscription } from "../bus/bus.ts";
import { DEFAULT_ACK_WAIT_MS } from "./beats.ts";
import type { CallServer, Methods } from "./call-server.ts";
import type { Delivery } from "./delivery.ts";
import { fault } from "./error.ts";
import { type CallerFrame, META_HEADER } from "./frame.ts";
import { logFacts } from "./log-facts.ts";
import { Redeliveries } from "./redeliveries.ts";
import type { DispatchMode } from "./route.ts";
import { directDelivery } from "./serve.ts";
import { Slots } from "./slots.ts";
import type { Pull, RequestStore, StoredRequest } from "./queue/request-store.ts";

/** Told what becomes of requests that are not executed, and how those that are came here. */
export interface ServingWatch {
  /** A queued request was taken, after this time in the queue, as this delivery of it. */
  taken(queuedMs: number, deliveries: number): void;
  /** A request was refused. */
  refused(mode: DispatchMode, outcome: string): void;
  /** A request went to the dead letters. */
  buried(reason: string): void;
}

/** An operator version that an instance serves. */
export interface OperatorOptions {
  /** What the deployment declared about the operator. */
  declaration: OperatorDeclaration;
  version: string;
  /** Declares the operator again, and says what is declared now: others may have added versions since. */
  declare(): Promise<OperatorDeclaration>;
  /** Requests that run at once, however they came. */
  maxInflight: number;
  methods: Methods;
  /**
   * Whether a request that is directed to the instance is for this version: to be given where it serves several, which all hear
   * such a request. Default: every one is.
   */
  isMine?: (payload: Uint8Array) => boolean;
  /** Default: nobody is told. */
  watch?: ServingWatch;
}

const SWEEP_DELAY_MS = 1_000;

/** A request that waits here for a slot: a direct one took the slot that it was pulled for. */
interface Held {
  readonly frame: CallerFrame;
  readonly request: StoredRequest;
  readonly beat: number;
}

/** Serves one version of an operator: queued, direct and directed requests over one set of slots. */
export class OperatorServer {
  readonly #server: CallServer;
  readonly #store: RequestStore;
  readonly #options: OperatorOptions;
  readonly #slots: Slots;
  readonly #held: Held[] = [];
  readonly #redeliveries: Redeliveries;
  #sweepTimer: ReturnType<typeof setTimeout> | undefined;
  /** Requests that were delivered before and have not begun here, by caller, call and hop. */
  readonly #admitting = new Set<string>();
  #requests: BusSubscription[] = [];
  #later: BusSubscription[] = [];
  #pull: Pull | undefined;
  #declaration: OperatorDeclaration;
  /** Direct requests without a version. */
  #unversioned: BusSubscription | undefined;
  #stopped = false;

  constructor(server: CallServer, store: RequestStore, options: OperatorOptions) {
    this.#server = server;
    this.#store = store;
    this.#options = options;
    this.#declaration = options.declaration;
    this.#slots = new Slots(options.maxInflight, () => this.#onFree());
    this.#redeliveries = new Redeliveries(store, options.declaration.name, server.logger);
  }

  /** The operator's name. */
  get name(): string {
    return this.#declaration.name;
  }

  /** Requests that run now. */
  get inflight(): number {
    return this.#slots.used;
  }

  /** Requests that may run at once. */
  get slots(): number {
    return this.#slots.max;
  }

  /** Begins to take requests. The queue was declared before. */
  async start(): Promise<void> {
    const { declaration, version } = this.#options;
    const { bus, subjects, instance } = this.#server;
    const { name } = declaration;
    const direct = (message: BusMessage) => this.#onDirect(message);
    // Before the look at what was canceled while nobody was there: what is canceled from now on is heard.
    this.#later = [
      bus.subscribe(subjects.control(name, instance), (message) => this.#onLater(message, true)),
      bus.subscribe(subjects.everyInstance(name), (message) => this.#onLater(message, false)),
      bus.subscribe(subjects.everyInstance(name), (message) => void this.#onJanitor(message), { queue: "janitor" }),
    ];
    await this.#sweep();
    if (this.#stopped) return;
    this.#requests = [
      bus.subscribe(subjects.direct(name, version), direct, { queue: "workers" }),
      bus.subscribe(subjects.directed(name, instance), (message) => this.#onDirected(message)),
    ];
    this.redeclared(declaration);
    this.#pull = this.#store.open(declaration, version, {
      free: () => this.#slots.free - this.#held.length,
      deliver: (request) => {
        const used = this.#slots.used;
        this.#onQueued(request);
        // It was pulled for a slot that it did not take.
        if (this.#slots.used === used) this.#pull?.demand();
      },
      declare: () => this.#options.declare(),
      repaired: () => this.#sweep(),
    });
    this.#pull.demand();
  }

  /** Stored cancels of what has been ended by now are of no use any more; those that are on their way to the storage come first. */
  #sweepSoon(): void {
    this.#sweepTimer ??= setTimeout(() => {
      this.#sweepTimer = undefined;
      if (!this.#stopped) void this.#sweep();
    }, SWEEP_DELAY_MS);
  }

  /** Deals with what was canceled while this instance could not hear it. */
  async #sweep(): Promise<void> {
    const { bus, tombstones, logger } = this.#server;
    try {
      await bus.flush();
      await this.#store.sweep(this.name, ({ caller, call, timeoutMs }) => tombstones.add(`${caller}.${call}`, timeoutMs));
    } catch (error) {
      logger.warn("Cannot look for canceled requests", { operator: this.name, error: String(error) });
    }
  }

  /** Others have declared the operator too: what asks for no version may be for another one now. */
  redeclared(declaration: OperatorDeclaration): void {
    this.#declaration = declaration;
    const { bus, subjects, beats } = this.#server;
    beats.fitTo(declaration.ackWaitMs || DEFAULT_ACK_WAIT_MS);
    if (declaration.defaultVersion !== this.#options.version) {
      void this.#unversioned?.drain();
      this.#unversioned = undefined;
    } else if (!this.#stopped) {
      const subject = subjects.direct(declaration.name, undefined);
      this.#unversioned ??= bus.subscribe(subject, (message) => this.#onDirect(message), { queue: "workers" });
    }
  }

  /** Takes no new requests; what was on its way here is still served. */
  async stopTaking(): Promise<void> {
    this.#stopped = true;
    const requests = [...this.#requests.splice(0), ...(this.#unversioned === undefined ? [] : [this.#unversioned])];
    this.#unversioned = undefined;
    this.#redeliveries.stop();
    await Promise.all([this.#pull?.stop(), ...requests.map((subscription) => subscription.drain())]);
  }

  /** Stops listening altogether. */
  close(): void {
    this.#stopped = true;
    clearTimeout(this.#sweepTimer);
    for (const subscription of [...this.#requests, ...this.#later]) subscription.unsubscribe();
    this.#unversioned?.unsubscribe();
    for (const { request, beat } of this.#held.splice(0)) {
      this.#server.beats.stop(beat);
      request.release();
    }
  }

  /** Requests that wait here for a slot. */
  get held(): number {
    return this.#held.length;
  }

  #onDirected(message: BusMessage): void {
    if (this.#options.isMine?.(message.payload) !== false) this.#onDirect(message);
  }

  #onDirect(message: BusMessage): void {
    const frame = this.#server.read(message);
    if (frame === undefined || (frame.kind !== "request" && frame.kind !== "post")) return;
    if (this.#held.length === 0 && this.#slots.take()) {
      const delivery = directDelivery(frame, () => this.#slots.release(), this.name);
      this.#server.accept(frame, message, delivery, this.#options.methods);
      // Accepted: whoever fires and forgets need not wait for the end.
      if (frame.kind === "post") this.#server.acceptPost(frame);
    } else {
      const { name } = this.#declaration;
      const text = `Cannot call operator "${name}" directly: all ${this.#slots.max} slots of the instance are taken`;
      const facts = { reason: "BUSY", operator: name, instance: this.#server.instance, attempt: 1, retryDelayMs: 50 };
      this.#options.watch?.refused("direct", "resource_exhausted");
      this.#server.refuse(frame, fault(text, Code.ResourceExhausted, facts));
    }
  }

  #onQueued(request: StoredRequest): void {
    const frame = this.#server.read(request.message);
    if (frame === undefined || (frame.kind !== "request" && frame.kind !== "post")) {
      return void this.#giveUp(request, "BROKEN_FRAME", 0);
    }
    // Delivered again while it runs here: its beats came too late, and it counts as no attempt.
    if (this.#server.find(frame)?.frame.base === frame.base) return;
    if (request.deliveries > 1 && this.#admitting.has(`${frame.caller}.${frame.call}.${frame.base}`)) return;
    if (this.#expired(frame, request)) return;
    if (!this.#slots.take()) this.#hold(frame, request);
    else if (request.deliveries === 1) this.#accept(frame, request, 1);
    else void this.#again(frame, request);
  }

  /** Ends a request whose deadline has passed. */
  #expired(frame: CallerFrame, request: StoredRequest): boolean {
    if (frame.timeoutMs === 0 || request.ageMs < frame.timeoutMs) return false;
    const text = `Cannot run the request: its deadline of ${frame.timeoutMs} ms passed in the queue`;
    const error = fault(text, Code.DeadlineExceeded, { reason: "EXPIRED", operator: this.name });
    this.#server.reject(frame, error, request.deliveries);
    this.#options.watch?.refused(modeOf(frame), "deadline_exceeded");
    if (frame.kind === "post") void this.#giveUp(request, "EXPIRED", request.deliveries - 1, frame);
    else request.acknowledge();
    return true;
  }

  /** Executes a request that was delivered before, or gives it up. A slot was taken for it. */
  async #again(frame: CallerFrame, request: StoredRequest): Promise<void> {
    const limit = this.#declaration.maxAttempts || 3;
    const beat = this.#startBeat(request);
    const key = `${frame.caller}.${frame.call}.${frame.base}`;
    this.#admitting.add(key);
    const admission = await this.#redeliveries.admit(frame, request, limit);
    this.#admitting.delete(key);
    this.#server.beats.stop(beat);
    if (admission === undefined) request.release();
    else if (admission.attempt > limit) await this.#giveUpAfter(limit, frame, request);
    else if (!this.#expired(frame, request)) return this.#accept(frame, request, admission.attempt, admission.ended);
    else this.#forget(frame);
    admission?.ended();
    this.#slots.release();
  }

  async #giveUpAfter(limit: number, frame: CallerFrame, request: StoredRequest): Promise<void> {
    const text = `Gave up the request to operator "${this.name}" after ${limit} attempts: its workers died or fell silent`;
    const facts = { reason: "MAX_ATTEMPTS", operator: this.name, instance: this.#server.instance, attempt: limit };
    const buried = await this.#giveUp(request, "MAX_ATTEMPTS", limit, frame);
    if (!buried) return;
    this.#options.watch?.refused(modeOf(frame), "aborted");
    this.#server.reject(frame, fault(text, Code.Aborted, facts), request.deliveries);
    this.#forget(frame);
  }

  #accept(frame: CallerFrame, request: StoredRequest, attempt: number, ended?: () => void): void {
    const { ageMs } = request;
    const deadlineAt = frame.timeoutMs === 0 ? Infinity : performance.now() + frame.timeoutMs - ageMs;
    this.#options.watch?.taken(ageMs, request.deliveries);
    const delivery: Delivery = {
      attempt,
      operator: this.name,
      mode: modeOf(frame),
      deadlineAt,
      progressSubject: request.progressSubject,
      acknowledge: () => request.acknowledge(),
      confirm: () => request.confirm(),
      settled: () => this.#slots.release(),
    };
    const accepted = ended === undefined ? delivery : this.#counted(delivery, frame, ended);
    this.#server.accept(frame, request.message, accepted, this.#options.methods);
  }

  /** The same delivery, whose attempts were counted. */
  #counted(delivery: Delivery, frame: CallerFrame, ended: () => void): Delivery {
    return {
      ...delivery,
      acknowledge: () => {
        delivery.acknowledge();
        this.#forget(frame);
      },
      confirm: async () => {
        await delivery.confirm();
        this.#forget(frame);
      },
      settled: () => {
        delivery.settled();
        ended();
      },
    };
  }

  #forget(frame: CallerFrame): void {
    this.#store.forgetAttempts(this.name, frame).catch((error) => {
      // They go with their time.
      this.#server.logger.debug("Cannot forget attempts", { operator: this.name, callId: frame.call, error: String(error) });
    });
  }

  #startBeat({ progressSubject }: StoredRequest): number {
    return this.#server.beats.start({ answerSubject: undefined, header: "", progressSubject }, () => {});
  }

  #hold(frame: CallerFrame, request: StoredRequest): void {
    this.#held.push({ frame, request, beat: this.#startBeat(request) });
  }

  #onFree(): void {
    // Through the same door again: what has waited here may have expired meanwhile.
    while (this.#held.length > 0 && this.#slots.free > 0) {
      const { request, beat } = this.#held.shift() as Held;
      this.#server.beats.stop(beat);
      this.#onQueued(request);
    }
    this.#pull?.demand();
  }

  async #giveUp(request: StoredRequest, reason: string, attempts: number, frame?: CallerFrame): Promise<boolean> {
    const { logger } = this.#server;
    const known = frame === undefined ? {} : logFacts(frame, attempts, this.name, request.message.header(META_HEADER));
    const facts = { operator: this.name, seq: request.seq, reason, ...known };
    try {
      await this.#store.bury(this.name, request, reason, attempts);
    } catch (error) {
      // Not acknowledged: it is delivered again, and buried then.
      logger.error("Cannot store a dead letter", { ...facts, error: String(error) });
      return false;
    }
    request.acknowledge();
    this.#options.watch?.buried(reason);
    logger.warn("Gave up a request", facts);
    return true;
  }

  #onLater(message: BusMessage, mine: boolean): void {
    const frame = this.#server.read(message);
    if (frame === undefined || this.#server.later(frame, message.payload)) return;
    const index = this.#held.findIndex(({ frame: { caller, call } }) => caller === frame.caller && call === frame.call);
    if (frame.kind === "cancel") {
      const [held] = index < 0 ? [] : this.#held.splice(index, 1);
      if (held === undefined) return this.#server.tombstones.add(`${frame.caller}.${frame.call}`, frame.timeoutMs);
      this.#server.beats.stop(held.beat);
      held.request.acknowledge();
      this.#pull?.demand();
    } else if (frame.kind === "probe") {
      if (index >= 0) this.#server.report(frame, "queued");
      else if (mine) this.#server.report(frame, "unknown");
    }
  }

  /** One instance of all looks after what is still stored. */
  async #onJanitor(message: BusMessage): Promise<void> {
    const frame = this.#server.read(message);
    if (frame === undefined || (frame.kind !== "cancel" && frame.kind !== "probe")) return;
    const { name } = this;
    try {
      if (frame.kind === "cancel") {
        if (frame.seq === 0) return;
        await this.#store.remove(name, frame.seq, frame.caller, frame.call);
        this.#sweepSoon();
      } else if (this.#server.find(frame) === undefined) {
        const stored = frame.seq > 0 && await this.#store.has(name, frame.seq, frame.caller, frame.call);
        this.#server.report(frame, stored ? "queued" : "unknown");
      }
    } catch (error) {
      const facts = { operator: name, callId: frame.call, error: String(error) };
      this.#server.logger.debug("Cannot look after a stored request", facts);
    }
  }
}

function modeOf({ once }: CallerFrame): DispatchMode {
  return once ? "at-most-once" : "queue";
}
