/**
 * The narrow interface that everything above speaks instead of a NATS client: publish, subscribe, request, flush.
 *
 * @module
 */

/** Headers of a message: few, short and plain ASCII. */
export type BusHeaders = Readonly<Record<string, string>>;

/** A message as it arrived. Its payload aliases the frame it came in: `slice()`, which copies, what outlives the handler. */
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

/** What happened to the connection. Each outage is a `disconnect`, a `reconnecting` and, in the end, a `reconnect`. */
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
  /**
   * Whether the connection is up at this moment. While it is not, what is published waits for the reconnect; what was published
   * just before the loss was noticed may be lost.
   */
  readonly connected: boolean;
  /**
   * First token of the ids below which this connection's user may listen: its callers' and its tensor stores' begin with it.
   * `undefined`: nothing is known of such a limit.
   */
  readonly owner?: string | undefined;
  /** Settles when the connection has ended for good: with the error that ended it, or nothing after a close. */
  readonly closed: Promise<Error | undefined>;

  /**
   * Sends a message and returns at once. There is no backpressure in it: await {@linkcode flush} every so many bytes.
   *
   * The payload is not copied: it must stay as it is until the next turn of the loop, or until the reconnect.
   *
   * @throws {ConnectError} `resource_exhausted` past {@linkcode maxPayloadBytes}, `invalid_argument` for a subject with white
   * space or a header that is not printable ASCII, `unavailable` once closed or when too much waits for the reconnect
   */
  publish(subject: string, payload: Uint8Array, options?: { headers?: BusHeaders; reply?: string }): void;

  /**
   * Calls `handler` for each message in order of arrival. With a `queue`, one member of the group gets each message. A handler
   * that throws is reported as an error through {@linkcode onStatus}, and nothing else happens; so is a subscription refused.
   *
   * @throws {ConnectError} `invalid_argument` for a subject with white space, `unavailable` once closed
   */
  subscribe(subject: string, handler: (message: BusMessage) => void, options?: { queue?: string }): BusSubscription;

  /**
   * Sends a message and waits for one answer on the connection's own inbox. For control traffic.
   *
   * @throws {ConnectError} `unavailable` when nobody listens or the connection is closed, `deadline_exceeded` past the
   * timeout, `permission_denied` when the broker refuses
   */
  request(subject: string, payload: Uint8Array, options?: BusRequestOptions): Promise<BusMessage>;

  /**
   * Waits until the broker has taken everything published so far, and what it had sent until then has been handled. While the
   * connection is down it waits for the reconnect.
   *
   * @throws {ConnectError} `unavailable` when the connection breaks or is closed meanwhile: what was published may be lost
   */
  flush(): Promise<void>;

  /** Reports what happens to the connection until the returned function is called. */
  onStatus(listener: (status: BusStatus) => void): () => void;

  /**
   * Stops subscriptions after what is on its way, sends what is pending, then closes. Closes at once while the connection is
   * down. Safe to call twice.
   */
  drain(): Promise<void>;

  /** Closes at once. Safe to call twice, and before the connection was ever up. */
  close(): Promise<void>;
}
