import type { Bus, BusMessage, BusSubscription } from "../bus/bus.ts";
import { randomId } from "../rpc/ids.ts";
import { callApi, nanos } from "../rpc/queue/jetstream-api.ts";
import type { BucketEntry } from "./bucket.ts";
import { deliveryOf, entryOf, type KvEntry, withAges } from "./kv-entry.ts";
import type { KvNames } from "./kv-names.ts";
import { startTimer } from "./timer.ts";

/** What a session needs to know. */
export interface KvSessionOptions {
  readonly names: KvNames;
  readonly inboxPrefix: string;
  /** How often the broker says that it is still there. */
  readonly heartbeatMs: number;
}

/** What a session tells. */
export interface KvSessionListener {
  snapshot(entries: BucketEntry[]): void;
  change(entry: BucketEntry): void;
  /** A message was missed, or the broker fell silent: this session is over. */
  lost(reason: string): void;
}

interface ConsumerCreated {
  readonly num_pending?: number;
  /** The broker's present time. */
  readonly ts?: string;
}

const CONTROL = 100;
const NOTHING = new Uint8Array(0);
const MISSED_HEARTBEATS = 2.5;

/** One consumer of a whole bucket, which the broker forgets when nobody listens: from its making to the first thing missed. */
export class KvSession {
  readonly #bus: Bus;
  readonly #options: KvSessionOptions;
  readonly #listener: KvSessionListener;
  readonly #gathered: KvEntry[] = [];
  #subscription: BusSubscription | undefined;
  #stopTimer: () => void = () => {};
  #created: ConsumerCreated | undefined;
  #isComplete = false;
  #isOver = false;
  #lastSequence = 0;
  #lastPending = Infinity;
  #heardAt = -Infinity;

  constructor(bus: Bus, options: KvSessionOptions, listener: KvSessionListener) {
    this.#bus = bus;
    this.#options = options;
    this.#listener = listener;
  }

  /** When the broker was last heard, on the clock of `performance.now()`; -Infinity before that. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** @throws {ConnectError} `not_found` without the bucket, `permission_denied`, `unavailable` */
  async start(timeoutMs: number): Promise<void> {
    const { names, inboxPrefix, heartbeatMs } = this.#options;
    const inbox = `${inboxPrefix}.${randomId()}`;
    const name = randomId();
    const filter = `${names.prefix}>`;
    this.#subscription = this.#bus.subscribe(inbox, (message) => this.#onMessage(message));
    const config = {
      name,
      deliver_subject: inbox,
      deliver_policy: "last_per_subject",
      ack_policy: "none",
      max_deliver: 1,
      filter_subject: filter,
      replay_policy: "instant",
      idle_heartbeat: nanos(heartbeatMs),
      flow_control: true,
      mem_storage: true,
      num_replicas: 1,
    };
    const body = { stream_name: names.stream, config };
    this.#created = await callApi(this.#bus, `CONSUMER.CREATE.${names.stream}.${name}.${filter}`, body, { timeoutMs });
    if (this.#isOver) return;
    this.#heardAt = performance.now();
    this.#watchSilence();
    this.#completeIfDone();
  }

  stop(): void {
    this.#isOver = true;
    this.#subscription?.unsubscribe();
    this.#stopTimer();
  }

  #onMessage(message: BusMessage): void {
    if (this.#isOver) return;
    this.#heardAt = performance.now();
    if (message.status !== undefined) return this.#onControl(message);
    const delivery = deliveryOf(message);
    if (delivery === undefined) return;
    if (delivery.sequence !== this.#lastSequence + 1) return this.#lose("a message was lost");
    this.#lastSequence = delivery.sequence;
    this.#lastPending = delivery.pending;
    const entry = entryOf(message, message.subject.slice(this.#options.names.prefix.length), delivery.revision);
    if (this.#isComplete) return this.#listener.change(entry);
    this.#gathered.push({ entry, storedAtMs: delivery.storedAtMs });
    this.#completeIfDone();
  }

  #onControl(message: BusMessage): void {
    if (message.status !== CONTROL) return this.#lose(message.statusText ?? `status ${message.status}`);
    // Flow control: the broker waits until it hears that what came before has been read.
    this.#answerFlowControl(message.reply);
    this.#answerFlowControl(message.header("Nats-Consumer-Stalled"));
    const last = message.header("Nats-Last-Consumer");
    if (last === undefined) return;
    if (Number(last) !== this.#lastSequence) return this.#lose("messages were lost");
    // The broker is idle: nothing more is to come of what it counted as pending.
    this.#lastPending = 0;
    this.#completeIfDone();
  }

  #answerFlowControl(subject: string | undefined): void {
    // Only ever the broker's own: anybody may write to an inbox, and must not choose what we publish to.
    if (subject?.startsWith(`$JS.FC.${this.#options.names.stream}.`) === true) this.#bus.publish(subject, NOTHING);
  }

  #completeIfDone(): void {
    if (this.#isComplete || this.#created === undefined) return;
    const { num_pending = 0, ts = "" } = this.#created;
    if (this.#gathered.length < num_pending && this.#lastPending > 0) return;
    this.#isComplete = true;
    this.#listener.snapshot(withAges(this.#gathered.splice(0), Date.parse(ts)));
  }

  #watchSilence(): void {
    const { heartbeatMs } = this.#options;
    const due = performance.now() + heartbeatMs;
    this.#stopTimer = startTimer(() => {
      const now = performance.now();
      // A timer as late as that shows a standstill of this process: what the broker sent may not have been read yet.
      const stoodStill = now - due > heartbeatMs;
      if (!stoodStill && now - this.#heardAt > MISSED_HEARTBEATS * heartbeatMs) this.#lose("the broker fell silent");
      else this.#watchSilence();
    }, heartbeatMs);
  }

  #lose(reason: string): void {
    this.stop();
    this.#listener.lost(reason);
  }
}
