/**
 * What is used of a NATS client, whichever it is: `nats` 2.29, `nats.ws` 1.30 and @nats-io 3.4 connections all fit.
 *
 * @module
 */

/** The headers of a message, as a client parsed them. */
export interface NatsHeadersLike {
  /** The status code, 0 on real messages. */
  readonly code: number;
  /** The text beside the code. */
  readonly description: string;
  /** The names of the headers. */
  keys(): Iterable<string>;
  /** The first value of a header. */
  get(name: string): string;
}

/** A message, as a client delivers it. */
export interface NatsMessageLike {
  /** Where it was published to. */
  readonly subject: string;
  /** Its payload. */
  readonly data: Uint8Array;
  /** Where an answer is wanted; empty or absent when it is not. */
  readonly reply?: string;
  /** Parsed when first asked for. */
  readonly headers?: NatsHeadersLike;
}

/** A subscription of a client. */
export interface NatsSubscriptionLike {
  /** Ends it. */
  unsubscribe(): void;
  /** Ends it after what is on its way. */
  drain(): Promise<void>;
}

/** An event of `status()`; what else it holds differs between the clients. */
export interface NatsStatusLike {
  /** Which event it is. */
  readonly type: string;
}

/** What the broker said of itself. */
export interface NatsInfoLike {
  /** Largest payload plus headers, in bytes. */
  readonly max_payload: number;
  /** Whether it stores messages. */
  readonly jetstream?: boolean;
}

/** A connection of a client. */
export interface NatsConnectionLike {
  /** Absent while the connection is down. */
  readonly info?: NatsInfoLike;
  /** Sends a message; `headers` is only ever asked to `encode()`. */
  publish(subject: string, payload?: Uint8Array, options?: { reply?: string; headers?: unknown }): void;
  /** Subscribes with a callback. */
  subscribe(
    subject: string,
    options?: { queue?: string; callback?: (error: unknown, message: NatsMessageLike) => void },
  ): NatsSubscriptionLike;
  /** Waits for the broker to have taken all that was sent. */
  flush(): Promise<void>;
  /** Drains subscriptions, sends what is pending, closes. */
  drain(): Promise<void>;
  /** Closes. */
  close(): Promise<void>;
  /** Settles when the connection has ended for good. */
  closed(): Promise<void | Error>;
  /** What happens to the connection. */
  status(): AsyncIterable<NatsStatusLike> & { stop?(): void };
}
