import type { Bus, BusHeaders, BusMessage, BusRequestOptions, BusStatus, BusSubscription } from "./bus.ts";
import { closedError, handlerError, subjectError, tooLargeError } from "./errors.ts";
import { HeaderEncoder } from "./headers.ts";
import { type Logger, silentLogger } from "./logger.ts";
import type { MemoryBroker, MemoryEnvelope, MemoryRoute } from "./memory-broker.ts";
import { Requests } from "./requests.ts";
import { StatusListeners } from "./status.ts";
import { isSubject } from "./subjects.ts";

/** How to connect to a `MemoryBroker`. */
export interface MemoryBusOptions {
  /** First tokens of the subjects that answers to requests come to. Default `"_INBOX"`. */
  inboxPrefix?: string;
  /** Where handlers that throw are reported. Default: nowhere. */
  logger?: Logger;
}

/** A connection within the process, with hooks for tests of outages. */
export interface MemoryBus extends Bus {
  /** What it is connected to. */
  readonly broker: MemoryBroker;
  /** Cuts the connection: what is on its way to it is lost, what it publishes waits for {@linkcode reconnect}. */
  disconnect(): void;
  /** Restores the connection with its subscriptions, and sends what waited. */
  reconnect(): void;
}

/**
 * Connects to a broker within the process. Handlers run asynchronously, in order of arrival; payloads are not copied.
 *
 * @example
 * ```ts
 * const broker = new MemoryBroker();
 * const bus = connectMemory(broker);
 * bus.subscribe("greet", (message) => console.log(message.subject));
 * bus.publish("greet", new Uint8Array());
 * await bus.flush();
 * ```
 */
export function connectMemory(broker: MemoryBroker, options: MemoryBusOptions = {}): MemoryBus {
  return new MemoryConnection(broker, options);
}

/** Every so many batches the loop gets a turn: handlers that answer each other would keep timers from firing for ever. */
const batchesPerTurn = 1024;

class MemoryConnection implements MemoryBus {
  readonly kind = "memory" as const;
  readonly canStore = false;
  readonly closed: Promise<Error | undefined>;
  readonly broker: MemoryBroker;
  readonly #logger: Logger;
  readonly #listeners: StatusListeners;
  readonly #requests: Requests;
  readonly #encoder = new HeaderEncoder();
  readonly #subscriptions = new Set<MemorySubscription>();
  readonly #resolveClosed: (error: Error | undefined) => void;
  /** Counts outages: what was queued for delivery in an earlier one is lost. */
  epoch = 0;
  #state: "up" | "down" | "closed" = "up";
  #held: MemoryEnvelope[] = [];
  #onUp: (() => void)[] = [];
  #queue: (() => void)[] = [];
  #scheduled = false;
  #batches = 0;

  constructor(broker: MemoryBroker, options: MemoryBusOptions) {
    this.broker = broker;
    this.#logger = options.logger ?? silentLogger;
    this.#listeners = new StatusListeners(this.#logger);
    this.#requests = new Requests(this, options.inboxPrefix ?? "_INBOX");
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  get maxPayloadBytes(): number {
    return this.broker.maxPayloadBytes;
  }

  get connected(): boolean {
    return this.#state === "up";
  }

  publish(subject: string, payload: Uint8Array, options?: { headers?: BusHeaders; reply?: string }): void {
    if (this.#state === "closed") throw closedError(`publish to "${subject}"`);
    if (!isSubject(subject)) throw subjectError("publish", subject);
    const { headers, reply } = options ?? {};
    if (reply !== undefined && !isSubject(reply)) throw subjectError("publish with the reply subject", reply);
    // Encoded for its checks and its size alone.
    const size = payload.length + (headers === undefined ? 0 : this.#encoder.encode(headers).bytes.length);
    if (size > this.maxPayloadBytes) throw tooLargeError(subject, size, this.maxPayloadBytes);
    const envelope = { subject, payload, reply, headers, status: undefined };
    if (this.#state === "down") this.#held.push(envelope);
    else this.broker.send(envelope, this);
  }

  subscribe(subject: string, handler: (message: BusMessage) => void, options?: { queue?: string }): BusSubscription {
    if (this.#state === "closed") throw closedError(`subscribe to "${subject}"`);
    if (!isSubject(subject)) throw subjectError("subscribe", subject);
    const { queue } = options ?? {};
    if (queue !== undefined && !isSubject(queue)) throw subjectError("subscribe with the queue", queue);
    const subscription = new MemorySubscription(this, subject, queue, handler);
    this.#subscriptions.add(subscription);
    this.broker.add(subscription);
    return subscription;
  }

  request(subject: string, payload: Uint8Array, options?: BusRequestOptions): Promise<BusMessage> {
    return this.#requests.request(subject, payload, options);
  }

  async flush(): Promise<void> {
    if (this.#state === "down") await new Promise<void>((resolve) => this.#onUp.push(resolve));
    if (this.#state === "closed") throw closedError("flush");
    await this.afterQueued();
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    return this.#listeners.add(listener);
  }

  async drain(): Promise<void> {
    if (this.#state === "up") await Promise.all([...this.#subscriptions].map((subscription) => subscription.drain()));
    await this.close();
  }

  close(): Promise<void> {
    if (this.#state === "closed") return Promise.resolve();
    this.#state = "closed";
    for (const subscription of [...this.#subscriptions]) subscription.unsubscribe();
    this.#wake();
    this.#requests.close();
    this.#resolveClosed(undefined);
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  disconnect(): void {
    if (this.#state !== "up") return;
    this.#state = "down";
    this.epoch++;
    this.#listeners.emit({ type: "disconnect" });
    this.#listeners.emit({ type: "reconnecting" });
  }

  reconnect(): void {
    if (this.#state !== "down") return;
    this.#state = "up";
    const held = this.#held;
    this.#held = [];
    for (const envelope of held) this.broker.send(envelope, this);
    this.#wake();
    this.#listeners.emit({ type: "reconnect" });
  }

  /** Takes a subscription out of the broker; what it has queued may still run. */
  detach(subscription: MemorySubscription): void {
    this.#subscriptions.delete(subscription);
    this.broker.remove(subscription);
  }

  /** Settles when all that was queued until now has been handled. */
  afterQueued(): Promise<void> {
    return this.#state === "up" ? new Promise((resolve) => this.enqueue(resolve)) : Promise.resolve();
  }

  /** Runs `task` after what was queued before. */
  enqueue(task: () => void): void {
    this.#queue.push(task);
    if (!this.#scheduled) this.#schedule();
  }

  #schedule(): void {
    this.#scheduled = true;
    const run = () => this.#runBatch();
    if (++this.#batches % batchesPerTurn === 0) setTimeout(run, 0);
    else queueMicrotask(run);
  }

  #runBatch(): void {
    const batch = this.#queue;
    this.#queue = [];
    for (const task of batch) {
      try {
        task();
      } catch (error) {
        this.#logger.error("A handler of the bus threw", { error });
        this.#listeners.emit({ type: "error", error: handlerError(error) });
      }
    }
    this.#scheduled = false;
    if (this.#queue.length > 0) this.#schedule();
  }

  #wake(): void {
    const waiting = this.#onUp;
    this.#onUp = [];
    for (const resolve of waiting) resolve();
  }
}

class MemorySubscription implements BusSubscription, MemoryRoute {
  readonly connection: MemoryConnection;
  readonly pattern: string;
  readonly queue: string | undefined;
  readonly #handler: (message: BusMessage) => void;
  #ended = false;

  constructor(
    connection: MemoryConnection,
    pattern: string,
    queue: string | undefined,
    handler: (message: BusMessage) => void,
  ) {
    this.connection = connection;
    this.pattern = pattern;
    this.queue = queue;
    this.#handler = handler;
  }

  get live(): boolean {
    return this.connection.connected;
  }

  deliver(envelope: MemoryEnvelope): void {
    const epoch = this.connection.epoch;
    this.connection.enqueue(() => {
      if (!this.#ended && epoch === this.connection.epoch) this.#handler(new MemoryMessage(envelope));
    });
  }

  unsubscribe(): void {
    this.#ended = true;
    this.connection.detach(this);
  }

  async drain(): Promise<void> {
    this.connection.detach(this);
    await this.connection.afterQueued();
    this.#ended = true;
  }
}

class MemoryMessage implements BusMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly reply: string | undefined;
  readonly status: number | undefined;
  readonly #headers: BusHeaders | undefined;

  constructor(envelope: MemoryEnvelope) {
    this.subject = envelope.subject;
    this.payload = envelope.payload;
    this.reply = envelope.reply;
    this.status = envelope.status;
    this.#headers = envelope.headers;
  }

  get statusText(): string | undefined {
    return this.status === undefined ? undefined : "No Responders";
  }

  header(name: string): string | undefined {
    return this.#headers !== undefined && Object.hasOwn(this.#headers, name) ? this.#headers[name] : undefined;
  }
}
