import { Code, ConnectError } from "@connectrpc/connect";
import type { Logger } from "./logger.ts";

/** A value, or a function that is asked for it at every dial, reconnects included. It must answer at once. */
export type Refreshed<T> = T | (() => T);

/** Opens a websocket, such as `(url) => new WebSocket(url)`. */
export type WebSocketFactory = (url: string) => WebSocketLike | Promise<WebSocketLike>;

/** What is used of a websocket: the global one and that of npm `ws` both fit. */
export interface WebSocketLike {
  /** Set to `"arraybuffer"`. */
  binaryType: string;
  /** Sends a frame. */
  send(data: ArrayBuffer): void;
  /** Closes. */
  close(code?: number, reason?: string): void;
}

/** TLS of a TCP connection. Websockets take theirs from the runtime. */
export interface BusTlsOptions {
  /** Certificates of the authorities to trust, as PEM. Default: the runtime's own. */
  ca?: string;
  /** The client's certificate, as PEM, where the broker asks for one. */
  cert?: string;
  /** The client's private key, as PEM. */
  key?: string;
  /** Whether TLS begins before the broker's greeting, as its `handshake_first` wants. Default `false`. */
  handshakeFirst?: boolean;
}

/**
 * Whose place is taken at a broker that `waybill up` has started on this machine, where neither options nor URL hold credentials.
 *
 * @internal
 */
export interface LocalLogin {
  /** Default `"client"`. */
  role?: "client" | "worker" | "supervisor";
  /** Where deployments are listed. Default: this user's folder. */
  folder?: string;
}

/** How to connect to a broker. At most one way of authentication may be given, here or in the URL. */
export interface BusOptions {
  /** What the broker's monitoring shows for this connection. Default `"waybill"`. */
  name?: string;
  /** First tokens of the subjects that answers to requests come to; a user with few permissions needs its own. Default `"_INBOX"`. */
  inboxPrefix?: string;
  /** A bearer token. */
  token?: Refreshed<string>;
  /** A user's name, with {@linkcode password}. */
  user?: Refreshed<string>;
  /** The user's password. Default: none. */
  password?: Refreshed<string>;
  /** The seed of an nkey user (`SU…`), which signs the broker's challenge and is never sent. With {@linkcode jwt}, its key. */
  nkeySeed?: Refreshed<string>;
  /** A user's JWT; needs {@linkcode nkeySeed} unless it is a bearer JWT. */
  jwt?: Refreshed<string>;
  /** The text of a `.creds` file: a JWT and its seed. */
  credentials?: Refreshed<string>;
  /** TLS of TCP connections; `{}` demands it, as `tls://` does. Refused for websockets, where `wss://` says it all. */
  tls?: BusTlsOptions;
  /** How long one dial may take, handshake included; holds for reconnects too. Default 5,000 ms. */
  connectTimeoutMs?: number;
  /** How long the first connect is tried again; refused credentials fail at once all the same. Default 0 ms: one try per URL. */
  waitOnFirstConnectMs?: number;
  /** Least wait between dials after a loss; up to as much again is added at random. They go on for ever. Default 250 ms. */
  reconnectWaitMs?: number;
  /** How often the connection is tested; lost when two tests in a row stay unanswered. Default 20,000 ms. */
  pingIntervalMs?: number;
  /** Whether to keep to the URLs given, whatever else of its cluster the broker names. Default: `true` for websockets. */
  ignoreClusterUpdates?: boolean;
  /** Most that is kept while the connection is down; past it, publishing fails `unavailable`. Default 8,388,608 bytes. */
  outboxMaxBytes?: number;
  /**
   * Who to be at a broker that `waybill up` runs on this machine; `false`: nobody.
   *
   * @internal
   */
  local?: LocalLogin | false;
  /** Opens websockets. Default: the global `WebSocket`; on Deno npm `ws` where its environment permission is granted. */
  webSocketFactory?: WebSocketFactory;
  /** Where what happens to the connection is told. Default: nowhere. */
  logger?: Logger;
  /** Gives up connecting when aborted, with the signal's reason. It has no effect later. */
  signal?: AbortSignal;
}

/** The value at this moment. */
export function refresh<T extends string>(value: Refreshed<T>): T {
  return typeof value === "function" ? value() : value;
}

/**
 * Checks the options that are numbers.
 *
 * @throws {ConnectError} `invalid_argument` naming the option and its value
 */
export function checkNumbers(options: BusOptions): void {
  const { connectTimeoutMs, pingIntervalMs, waitOnFirstConnectMs, reconnectWaitMs, outboxMaxBytes } = options;
  for (const [name, value] of Object.entries({ connectTimeoutMs, pingIntervalMs })) {
    if (value !== undefined && !(value > 0 && Number.isFinite(value))) throw numberError(name, "a positive number", value);
  }
  for (const [name, value] of Object.entries({ waitOnFirstConnectMs, reconnectWaitMs, outboxMaxBytes })) {
    if (value !== undefined && !(value >= 0 && Number.isFinite(value))) throw numberError(name, "a number from 0 on", value);
  }
}

function numberError(name: string, rule: string, value: number): ConnectError {
  return new ConnectError(`Cannot connect to the broker: ${name} needs ${rule}, got ${value}`, Code.InvalidArgument);
}
