/**
 * The narrow interface that everything above speaks instead of a NATS client: publish, subscribe, request, flush.
 *
 * @module
 */

/** Headers of a message: few, short and plain ASCII. */
export type BusHeaders = Readonly<Record<string, string>>;

/** A message as it arrived. Its payload aliases the frame it came in: `slice()` what outlives the handler. */
export interface BusMessage {
  /** The subject it was published to. */
  readonly subject: string;
  /** The bytes, possibly none. */
  readonly payload: Uint8Array;
  /** Where the sender wants an answer. A hint from a stranger: never publish to it (only the broker's own may be trusted). */
  readonly reply: string | undefined;
  /** A status that the broker put in place of a message: 503 no responders, 404, 408, 409, 100. `undefined` on real messages. */
  readonly status: number | undefined;
  /** The text beside {@linkcode status}, such as `"Batch Completed"`. */
  readonly statusText: string | undefined;
  /** The first value of a header; headers are parsed when first asked for. */
  header(name: string): string | undefined;
}

/** A running subscription. */
export interface BusSubscription {
  /** Stops delivery at once; what is still on its way is dropped. */
  unsubscribe(): void;
  /** Stops new deliveries, waits until what is on its way has been handled. */
  drain(): Promise<void>;
}

/** What happened to the connection; doubles are removed. */
export type BusStatus =
  | { readonly type: "disconnect" }
  | { readonly type: "reconnecting" }
  | { readonly type: "reconnect" }
  | { readonly type: "error"; readonly error: Error };

/** How to wait for an answer. */
export interface BusRequestOptions {
  /** Headers to send along. */
  headers?: BusHeaders;
  /** Gives up when aborted, with the signal's reason. */
  signal?: AbortSignal;
  /** How long to wait for the answer. Default 5,000 ms. */
  timeoutMs?: number;
}

/** A connection to a broker. */
export interface Bus extends AsyncDisposable {
  /** What carries it. */
  readonly kind: "websocket" | "tcp" | "memory" | "own";
  /** Largest payload plus headers that the broker takes, in bytes. Known once connected. */
  readonly maxPayloadBytes: number;
  /** Whether the broker can store messages (JetStream). The memory bus cannot. */
  readonly canStore: boolean;
  /** Whether the connection is up at this moment; while it is not, what is published waits for the reconnect. */
  readonly connected: boolean;
  /** Settles when the connection has ended for good: with the error that ended it, or nothing after a close. */
  readonly closed: Promise<Error | undefined>;

  /**
   * Sends a message and returns at once. There is no backpressure in it: await {@linkcode flush} every so many bytes.
   *
   * @throws {ConnectError} `resource_exhausted` past {@linkcode maxPayloadBytes}, `unavailable` once closed
   */
  publish(subject: string, payload: Uint8Array, options?: { headers?: BusHeaders; reply?: string }): void;

  /** Calls `handler` for each message in order of arrival. With a `queue`, one member of the group gets each message. */
  subscribe(subject: string, handler: (message: BusMessage) => void, options?: { queue?: string }): BusSubscription;

  /**
   * Sends a message and waits for one answer on the connection's own inbox. For control traffic.
   *
   * @throws {ConnectError} `unavailable` when nobody listens or the connection is closed, `deadline_exceeded` past the
   * timeout, `permission_denied` when the broker refuses
   */
  request(subject: string, payload: Uint8Array, options?: BusRequestOptions): Promise<BusMessage>;

  /** Waits until the broker has taken everything published so far. */
  flush(): Promise<void>;

  /** Reports what happens to the connection until the returned function is called. */
  onStatus(listener: (status: BusStatus) => void): () => void;

  /** Stops subscriptions after what is on its way, sends what is pending, then closes. Safe to call twice. */
  drain(): Promise<void>;

  /** Closes at once. Safe to call twice, and before the connection was ever up. */
  close(): Promise<void>;
}
