import { Code, ConnectError } from "@connectrpc/connect";
import type { Authenticator, AuthenticatorMakers } from "./credentials.ts";
import { reasonOf } from "./errors.ts";
import { type Logger, silentLogger } from "./logger.ts";
import type { OwnedConnection } from "./nats-connection.ts";
import type { NatsConnectionLike } from "./nats-types.ts";
import type { BusOptions } from "./options.ts";

/** A first connection in the making. */
export interface Dial {
  /** Settles with the client's connection. */
  readonly connection: Promise<NatsConnectionLike>;
  /** What the bus needs to know of it. */
  readonly owned: OwnedConnection;
  /** Gives up as soon as the client lets go. */
  abort(): void;
}

/** What each kind of transport does. */
export interface Dialler {
  /** Starts to connect to one address. */
  dial(address: string, control: DialControl): Dial;
}

/** After the broker refused us, dials go on, but slower: only someone else can change that. */
const refusedWaitMs = 2000;

/** Decides for a client when to dial, when to stop and who we are. One per connection. */
export class DialControl {
  readonly #options: BusOptions;
  readonly #authenticate: (makers: AuthenticatorMakers) => Authenticator;
  readonly #logger: Logger;
  #stopped = false;
  #established = false;
  #refused = false;

  constructor(options: BusOptions, authenticate: (makers: AuthenticatorMakers) => Authenticator) {
    this.#options = options;
    this.#authenticate = authenticate;
    this.#logger = options.logger ?? silentLogger;
  }

  /** No more dials. */
  stop(): void {
    this.#stopped = true;
  }

  /** Whether no more dials are wanted. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** The first connection is up: from now on failures are the reconnects' own. */
  established(): void {
    this.#established = true;
  }

  /** The broker refused us. */
  refused(): void {
    this.#refused = true;
  }

  /** Options that all clients of the older generation share. */
  clientOptions(makers: AuthenticatorMakers): ClientOptions {
    const { name = "waybill", connectTimeoutMs = 5000, pingIntervalMs = 20_000 } = this.#options;
    return {
      name,
      authenticator: this.#guarded(this.#authenticate(makers)),
      timeout: connectTimeoutMs,
      reconnect: true,
      maxReconnectAttempts: -1,
      reconnectDelayHandler: () => this.#nextWaitMs(),
      // Otherwise the second refusal in a row ends the connection for good, although it may be the broker's fault.
      ignoreAuthErrorAbort: true,
      pingInterval: pingIntervalMs,
      maxPingOut: 2,
      noAsyncTraces: true,
      noRandomize: true,
    };
  }

  /** The clients ask before each dial: the only place where their loop can be ended from outside (`nats` 2.29, `nats.ws` 1.30). */
  #nextWaitMs(): number {
    if (this.#stopped) throw new Error("The connection is closed");
    const { reconnectWaitMs = 250 } = this.#options;
    const leastMs = this.#refused ? Math.max(refusedWaitMs, reconnectWaitMs) : reconnectWaitMs;
    return leastMs + Math.random() * reconnectWaitMs;
  }

  #guarded(authenticate: Authenticator): Authenticator {
    return (nonce) => {
      this.#refused = false;
      try {
        return authenticate(nonce);
      } catch (error) {
        const message = `Cannot authenticate to the broker: ${reasonOf(error)}`;
        const failure = error instanceof ConnectError
          ? error
          : new ConnectError(message, Code.Unauthenticated, undefined, undefined, error);
        // Thrown, it would end an established connection for good: without credentials the broker refuses, and we try again.
        if (!this.#established) throw failure;
        this.#logger.error("The credentials for the broker could not be read again", { error: failure });
      }
    };
  }
}

/** What the clients of the older generation are told. */
export interface ClientOptions {
  /** Shown by the broker's monitoring. */
  name: string;
  /** Asked at every dial. */
  authenticator: Authenticator;
  /** For a dial, handshake included. */
  timeout: number;
  /** Whether to dial again after a loss. */
  reconnect: boolean;
  /** -1: for ever. */
  maxReconnectAttempts: number;
  /** Asked before every dial. */
  reconnectDelayHandler: () => number;
  /** Whether refusals do not end the connection. */
  ignoreAuthErrorAbort: boolean;
  /** Between pings, in ms. */
  pingInterval: number;
  /** Unanswered pings that mean a loss. */
  maxPingOut: number;
  /** Whether to save an `Error` per request. */
  noAsyncTraces: boolean;
  /** Whether to keep the order of servers. */
  noRandomize: boolean;
}
