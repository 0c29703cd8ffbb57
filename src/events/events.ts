import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Event, EventSchema } from "../../gen/waybill/v1/event_pb.ts";
import type { Bus, BusMessage } from "../bus/bus.ts";
import type { Logger } from "../bus/logger.ts";
import { unlessAborted, withDeadline } from "../rpc/deadline.ts";
import { abortError, fault } from "../rpc/error.ts";
import { isId, randomId } from "../rpc/ids.ts";
import type { Subjects } from "../rpc/subjects.ts";
import { Confirmations } from "./confirmations.ts";
import { WaybillEvent } from "./event.ts";
import { holdingOf, type PublishOptions, type SubscribeOptions } from "./options.ts";
import { encodePayload } from "./payload.ts";
import { EventSubscription } from "./subscription.ts";
import { type Topic, topicLevels } from "./topic.ts";

const DEFAULT_TIMEOUT_MS = 10_000;

/** What events travel over. */
export interface EventsOptions {
  readonly bus: Bus;
  readonly subjects: Subjects;
  /** Who publishes. */
  readonly component: string;
  readonly logger: Logger;
}

/**
 * Tells others what happened, and hears of it. Events are not stored: who is not subscribed at that moment, or cut off, does not
 * get them.
 */
export class Events {
  /** Who its events are from. */
  readonly component: string;
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #logger: Logger;
  readonly #confirmations: Confirmations;
  readonly #subscriptions = new Set<EventSubscription>();
  #closed = false;

  /** @internal */
  constructor({ bus, subjects, component, logger }: EventsOptions) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.component = component;
    this.#logger = logger;
    this.#confirmations = new Confirmations(bus);
    void bus.closed.then((cause) => {
      const why = cause === undefined ? "" : `: ${cause.message}`;
      this.#end(fault(`Cannot get more events: the connection to the broker is closed${why}`, Code.Unavailable));
    });
  }

  /** Publishes a protobuf message. */
  publish<Desc extends DescMessage>(
    topic: Topic,
    payload: MessageShape<Desc>,
    options: PublishOptions & { schema: Desc },
  ): Promise<WaybillEvent>;
  /**
   * Publishes an event, and resolves once the broker has it; nobody may be listening. Several at once share one question to the
   * broker.
   *
   * @param topic what it is about: levels, or the same with dots between them; `""` for nothing in particular
   * @param payload bytes, or anything that JSON can hold
   * @returns the event as others get it
   * @throws {ConnectError} `invalid_argument` when topic, type or payload cannot be used, `resource_exhausted` past the broker's
   * message size, `permission_denied` when the broker refuses, `deadline_exceeded`, `canceled`, `unavailable`
   */
  publish(topic: Topic, payload: unknown, options?: PublishOptions): Promise<WaybillEvent>;
  async publish(topic: Topic, payload: unknown, options: PublishOptions = {}): Promise<WaybillEvent> {
    if (options.signal?.aborted) throw abortError(options.signal);
    const levels = topicLevels(topic);
    const action = `Cannot publish the event "${levels.join(".")}"`;
    const { bytes, contentType, type } = await encodePayload(action, payload, options.schema);
    if (this.#closed) throw new ConnectError(`${action}: the client is closed`, Code.Unavailable);
    const event = create(EventSchema, {
      id: randomId(),
      type: options.type ?? type,
      timeMs: BigInt(Date.now()),
      component: this.component,
      topic: [...levels],
      contentType,
      payload: bytes,
    });
    const subject = this.#subjects.event(event.type, event.component, levels);
    const frame = toBinary(EventSchema, event);
    const { maxPayloadBytes } = this.#bus;
    if (frame.length > maxPayloadBytes) {
      const text = `${action}: the broker takes at most ${maxPayloadBytes} bytes, got ${frame.length}`;
      throw fault(text, Code.ResourceExhausted, { reason: "MESSAGE_TOO_LARGE" });
    }
    this.#bus.publish(subject, frame);
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    await withDeadline(
      action,
      { signal, timeoutMs },
      (either) => unlessAborted(this.#confirmations.confirm(subject), either),
    );
    return new WaybillEvent(event);
  }

  /**
   * Subscribes to events, and resolves once the broker sends them: what is published after that is not missed while the
   * connection stands.
   *
   * @param topic the beginning of their topics, level by level: `"jobs"` gets `jobs` and `jobs.done`. Default: all of them
   * @throws {ConnectError} `invalid_argument` when an option cannot be used, `permission_denied` when the broker refuses,
   * `deadline_exceeded`, `canceled`, `unavailable`
   */
  async subscribe(topic: Topic = [], options: SubscribeOptions = {}): Promise<EventSubscription> {
    const { type, component, signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const subject = this.#subjects.events(type, component, topicLevels(topic));
    const holding = holdingOf(options);
    if (signal?.aborted) throw abortError(signal);
    if (this.#closed) throw new ConnectError("Cannot subscribe to events: the client is closed", Code.Unavailable);
    const inner = this.#bus.subscribe(subject, (message) => {
      const event = this.#read(message);
      if (event !== undefined) subscription.offer(event);
    });
    const onAbort = () => subscription.stop(abortError(signal as AbortSignal));
    const subscription: EventSubscription = new EventSubscription(holding, this.#logger, () => {
      inner.unsubscribe();
      signal?.removeEventListener("abort", onAbort);
      this.#subscriptions.delete(subscription);
    });
    this.#subscriptions.add(subscription);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const begun = (either?: AbortSignal) => unlessAborted(this.#confirmations.confirm(subject), either);
      await withDeadline("Cannot subscribe to events", { signal, timeoutMs }, begun);
    } catch (error) {
      subscription.stop();
      throw error;
    }
    return subscription;
  }

  /**
   * Ends every subscription.
   *
   * @internal
   */
  close(): void {
    this.#end(undefined);
    this.#confirmations.close();
  }

  #end(error: ConnectError | undefined): void {
    this.#closed = true;
    for (const subscription of [...this.#subscriptions]) subscription.stop(error);
  }

  /** An event that agrees with its subject: that is what the broker grants. */
  #read({ subject, payload }: BusMessage): WaybillEvent | undefined {
    try {
      // Events outlive the frame that they came in.
      const event: Event = fromBinary(EventSchema, payload.slice());
      const { id, type, component, topic } = event;
      if (isId(id) && this.#subjects.event(type, component, topic) === subject) return new WaybillEvent(event);
    } catch {
      // Garbage counts as none, and is told below.
    }
    this.#logger.warn("Dropped a broken event", { subject });
    return undefined;
  }
}
