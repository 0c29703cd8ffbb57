import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus, BusHeaders, BusMessage, BusRequestOptions, BusStatus, BusSubscription } from "./bus.ts";
import { closedError, handlerError, subjectError, toBusError, tooLargeError } from "./errors.ts";
import { HeaderEncoder } from "./headers.ts";
import { type Logger, silentLogger } from "./logger.ts";
import { type NatsEvent, readEvent } from "./nats-events.ts";
import { NatsMessage } from "./nats-message.ts";
import { inboxPrefixOf } from "./owner.ts";
import type { NatsConnectionLike, NatsSubscriptionLike } from "./nats-types.ts";
import { Outbox } from "./outbox.ts";
import { Requests } from "./requests.ts";
import { StatusListeners } from "./status.ts";
import { isSubject } from "./subjects.ts";

/** How to use a connection of a client. */
export interface NatsBusOptions {
  /** First tokens of the subjects that answers to requests come to. Default `"_INBOX"`, or the owner's. */
  inboxPrefix?: string;
  /** What {@linkcode Bus.owner} is to say. */
  owner?: string;
  /** Where handlers that throw, and the broker's complaints, are reported. Default: nowhere. */
  logger?: Logger;
  /** Most that is kept while the connection is down; past it, publishing fails `unavailable`. Default 8,388,608 bytes. */
  outboxMaxBytes?: number;
}

/** What a connection that we made ourselves brings along. */
export interface OwnedConnection {
  /** What carries it. */
  readonly kind: "websocket" | "tcp";
  /** Makes the client give up its dials. Called once, before the client is closed or while it is dialling. */
  stop(): void;
  /** Called when pings stay unanswered and the client is about to reconnect. */
  onStale?(): void;
}

/** Closing a websocket waits for what is buffered, for ever where the peer is gone (`nats.ws` 1.30). */
const closeTimeoutMs = 2000;
const drainTimeoutMs = 10_000;

/** A client's connection behind our interface. */
export class NatsBus implements Bus {
  readonly kind: "websocket" | "tcp" | "own";
  readonly owner: string | undefined;
  readonly closed: Promise<Error | undefined>;
  readonly #nc: NatsConnectionLike;
  readonly #owned: OwnedConnection | undefined;
  readonly #events: ReturnType<NatsConnectionLike["status"]>;
  readonly #logger: Logger;
  readonly #listeners: StatusListeners;
  readonly #requests: Requests;
  readonly #outbox: Outbox;
  readonly #encoder = new HeaderEncoder();
  readonly #subscriptions = new Set<NatsBusSubscription>();
  readonly #waiting = new Set<{ up: () => void; fail: (error: ConnectError) => void }>();
  readonly #resolveClosed: (error: Error | undefined) => void;
  #connected = true;
  #announced = false;
  #ended = false;
  #maxPayloadBytes: number;
  #canStore: boolean;

  /** @param owned absent for a caller's own connection, which is then left open by `close` and `drain` */
  constructor(nc: NatsConnectionLike, options: NatsBusOptions, owned?: OwnedConnection) {
    this.kind = owned?.kind ?? "own";
    this.owner = options.owner;
    this.#nc = nc;
    this.#owned = owned;
    this.#logger = options.logger ?? silentLogger;
    this.#listeners = new StatusListeners(this.#logger);
    this.#requests = new Requests(this, options.inboxPrefix ?? inboxPrefixOf(options.owner));
    this.#outbox = new Outbox(options.outboxMaxBytes ?? 8 * 1024 * 1024);
    this.#maxPayloadBytes = nc.info?.max_payload ?? 1024 * 1024;
    this.#canStore = nc.info?.jetstream ?? false;
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#events = nc.status();
    void this.#watch();
    void nc.closed().then((error) => this.#end(error instanceof Error ? error : undefined));
  }

  get maxPayloadBytes(): number {
    return this.#maxPayloadBytes;
  }

  get canStore(): boolean {
    return this.#canStore;
  }

  get connected(): boolean {
    return this.#connected && !this.#ended;
  }

  publish(subject: string, payload: Uint8Array, options?: { headers?: BusHeaders; reply?: string }): void {
    if (this.#ended) throw closedError(`publish to "${subject}"`);
    if (!isSubject(subject)) throw subjectError("publish", subject);
    const reply = options?.reply;
    if (reply !== undefined && !isSubject(reply)) throw subjectError("publish with the reply subject", reply);
    const headers = options?.headers === undefined ? undefined : this.#encoder.encode(options.headers);
    const size = headers === undefined ? payload.length : payload.length + headers.bytes.length;
    if (size > this.#maxPayloadBytes) throw tooLargeError(subject, size, this.#maxPayloadBytes);
    if (!this.#connected) return this.#outbox.hold({ subject, payload, options });
    try {
      this.#nc.publish(subject, payload, { reply, headers });
    } catch (error) {
      throw toBusError(error, `publish to "${subject}"`);
    }
  }

  subscribe(subject: string, handler: (message: BusMessage) => void, options?: { queue?: string }): BusSubscription {
    if (this.#ended) throw closedError(`subscribe to "${subject}"`);
    if (!isSubject(subject)) throw subjectError("subscribe", subject);
    const { queue } = options ?? {};
    if (queue !== undefined && !isSubject(queue)) throw subjectError("subscribe with the queue", queue);
    try {
      const inner = this.#nc.subscribe(subject, {
        queue,
        callback: (error, message) => {
          // A refusal: the status event that follows reports it.
          if (error) return;
          try {
            handler(new NatsMessage(message));
          } catch (thrown) {
            // Out of here it would end the client's read loop, silently (`nats` 2.29, `nats.ws` 1.30, @nats-io 3.4).
            this.#handlerThrew(subject, thrown);
          }
        },
      });
      const subscription = new NatsBusSubscription(this, inner, this.#subscriptions);
      this.#subscriptions.add(subscription);
      return subscription;
    } catch (error) {
      throw toBusError(error, `subscribe to "${subject}"`);
    }
  }

  request(subject: string, payload: Uint8Array, options?: BusRequestOptions): Promise<BusMessage> {
    return this.#requests.request(subject, payload, options);
  }

  async flush(): Promise<void> {
    if (!this.#connected && !this.#ended) await this.#whenUp();
    if (this.#ended) throw closedError("flush");
    await this.orEnd(
      this.#nc.flush().catch((error) => {
        throw this.#ended ? closedError("flush", error) : brokenError(error);
      }),
    );
  }

  /** Waits for a promise or the end of the connection: the clients leave flushes and drains unsettled when closed meanwhile. */
  async orEnd(inner: Promise<void>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { up() {}, fail: reject };
    this.#waiting.add(waiter);
    inner.then(resolve, reject);
    try {
      await promise;
    } finally {
      this.#waiting.delete(waiter);
    }
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    return this.#listeners.add(listener);
  }

  async drain(): Promise<void> {
    if (this.#ended) return;
    if (this.#connected) {
      await within(Promise.all([...this.#subscriptions].map((subscription) => subscription.drain())), drainTimeoutMs);
      await within(this.flush().catch(() => {}), drainTimeoutMs);
    }
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    const wasConnected = this.#connected;
    this.#end(undefined);
    if (this.#owned === undefined) return this.#events.stop?.();
    this.#owned.stop();
    // Closed in the middle of a dial, a client would finish it and stay connected, unknown to anyone: `stop` ends its dials.
    if (wasConnected) await within(this.#nc.close().catch(() => {}), closeTimeoutMs);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #watch(): Promise<void> {
    for await (const status of this.#events) this.#onEvent(readEvent(status));
  }

  /** Each client reports some of these twice for one outage, @nats-io 3.4 all of them. */
  #onEvent(event: NatsEvent): void {
    if (this.#ended) {
      // A dial that succeeded after all.
      if (event.type === "reconnect" && this.#owned !== undefined) void this.#nc.close().catch(() => {});
    } else if (event.type === "disconnect" && this.#connected) {
      this.#connected = false;
      this.#announced = false;
      this.#logger.warn("The connection to the broker is lost");
      this.#listeners.emit({ type: "disconnect" });
    } else if (event.type === "reconnecting" && !this.#connected && !this.#announced) {
      this.#announced = true;
      this.#listeners.emit({ type: "reconnecting" });
    } else if (event.type === "reconnect" && !this.#connected) {
      this.#onReconnect();
    } else if (event.type === "error") {
      this.#logger.warn("The broker reports an error", { error: event.error });
      if (event.refusal !== undefined) this.#requests.refuse(event.refusal, event.error);
      this.#listeners.emit({ type: "error", error: event.error });
    } else if (event.type === "stale") {
      this.#owned?.onStale?.();
    } else if (event.type === "leaving") {
      this.#logger.info("The broker is about to shut down");
    }
  }

  #onReconnect(): void {
    this.#connected = true;
    this.#maxPayloadBytes = this.#nc.info?.max_payload ?? this.#maxPayloadBytes;
    this.#canStore = this.#nc.info?.jetstream ?? this.#canStore;
    for (const { subject, payload, options } of this.#outbox.take()) {
      try {
        this.publish(subject, payload, options);
      } catch (error) {
        // The broker that came back may take less than the one that left.
        this.#logger.error("A message that waited for the connection was lost", { subject, error });
      }
    }
    for (const waiter of this.#waiting) waiter.up();
    this.#logger.info("The connection to the broker is restored");
    this.#listeners.emit({ type: "reconnect" });
  }

  #whenUp(): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = {
        up: () => {
          this.#waiting.delete(waiter);
          resolve();
        },
        fail: reject,
      };
      this.#waiting.add(waiter);
    });
  }

  #handlerThrew(subject: string, thrown: unknown): void {
    this.#logger.error("A handler of the bus threw", { subject, error: thrown });
    this.#listeners.emit({ type: "error", error: handlerError(thrown) });
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return;
    const cause = error === undefined ? undefined : toBusError(error, "stay connected to the broker");
    for (const subscription of [...this.#subscriptions]) subscription.unsubscribe();
    this.#ended = true;
    this.#requests.close(cause);
    for (const waiter of [...this.#waiting]) waiter.fail(closedError("flush", cause));
    this.#waiting.clear();
    this.#outbox.take();
    this.#resolveClosed(cause);
  }
}

class NatsBusSubscription implements BusSubscription {
  readonly #bus: NatsBus;
  readonly #inner: NatsSubscriptionLike;
  readonly #all: Set<NatsBusSubscription>;

  constructor(bus: NatsBus, inner: NatsSubscriptionLike, all: Set<NatsBusSubscription>) {
    this.#bus = bus;
    this.#inner = inner;
    this.#all = all;
  }

  unsubscribe(): void {
    this.#all.delete(this);
    this.#inner.unsubscribe();
  }

  async drain(): Promise<void> {
    // Nothing is on its way over a connection that is down.
    if (!this.#bus.connected) return this.unsubscribe();
    // Fails when the connection ends meanwhile, and with it all that was on its way.
    await this.#bus.orEnd(this.#inner.drain()).catch(() => {});
    this.#all.delete(this);
  }
}

function brokenError(cause: unknown): ConnectError {
  const message = "Cannot flush: the connection broke before the broker confirmed, what was published may be lost";
  return new ConnectError(message, Code.Unavailable, undefined, undefined, cause);
}

/** Waits for a promise, but not for ever. */
async function within(promise: Promise<unknown>, timeoutMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
