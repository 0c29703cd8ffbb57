import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus } from "./bus.ts";
import { type Authenticator, type AuthenticatorMakers, hasCredentials, type Login, readCredentials } from "./credentials.ts";
import { DialControl, type Dialler } from "./dial.ts";
import { isRefusal, reasonOf, toBusError } from "./errors.ts";
import { silentLogger } from "./logger.ts";
import { NatsBus } from "./nats-connection.ts";
import type { NatsConnectionLike } from "./nats-types.ts";
import { findLocalLogins, loadTcp, loadWebSocket } from "./on-demand.ts";
import { type BusOptions, checkNumbers } from "./options.ts";
import { ownerOf } from "./owner.ts";
import { hasTcp } from "./tcp-support.ts";
import { type BrokerUrl, isLoopback, parseBrokerUrls, redactUrl, withoutQuery } from "./urls.ts";

/**
 * Connects to a broker: over TCP for `nats://` and `tls://`, over a websocket for `ws://` and `wss://`. URLs need their port.
 *
 * Of a list, one URL after the other is tried, in random order. Where the runtime has TCP, all TCP URLs come before any
 * websocket; a connection stays with its kind, and reconnects to any URL of that kind, for ever. One `tls://` URL, or the
 * `tls` option, makes TLS a demand on all TCP URLs.
 *
 * @example
 * ```ts
 * const bus = await connectBus(["nats://10.0.0.1:4222", "wss://broker.example:443"], { token: () => readToken() });
 * ```
 *
 * @throws {ConnectError} `invalid_argument` for URLs and options that cannot work, `failed_precondition` where the runtime
 * has no such transport, `unauthenticated` at once when the broker refuses us, `unavailable` when no broker answers;
 * the signal's reason when aborted
 */
export async function connectBus(urls: string | readonly string[], options: BusOptions = {}): Promise<Bus> {
  options.signal?.throwIfAborted();
  const parsed = parseBrokerUrls(urls);
  const local = await localLogins(parsed, options);
  const authenticate = readCredentials(options, parsed, local);
  checkNumbers(options);
  const groups = groupsOf(parsed, options);
  const diallers: Dialler[] = [];
  const giveUpAt = performance.now() + (options.waitOnFirstConnectMs ?? 0);
  for (;;) {
    // A local broker may be started meanwhile, or by another user of ours.
    const owner = local === undefined ? ownerOf(namedUser(parsed, options)) : ownerOf(local()?.user);
    const result = await tryAll(groups, diallers, authenticate, { ...options, owner });
    if ("bus" in result) return result.bus;
    const leftMs = giveUpAt - performance.now();
    if (leftMs <= 0 || isRefusal(result.error)) throw unreachable(groups.flat(), options, result.error);
    options.logger?.info("No broker answers yet", { reason: reasonOf(result.error) });
    const { reconnectWaitMs = 250 } = options;
    await delay(Math.min(leftMs, reconnectWaitMs * (1 + Math.random())), options.signal);
  }
}

function groupsOf(urls: readonly BrokerUrl[], options: BusOptions): BrokerUrl[][] {
  const tcp = urls.filter((url) => url.kind === "tcp");
  const webSocket = urls.filter((url) => url.kind === "websocket");
  if (webSocket.length === 0 && !hasTcp()) {
    const message = `Cannot connect to ${quoted(tcp)}: this runtime has no TCP, give a wss:// or ws:// URL`;
    throw new ConnectError(message, Code.FailedPrecondition);
  }
  if (options.tls !== undefined && (tcp.length === 0 || webSocket.some((url) => !url.secure))) {
    const message = `Cannot connect to ${quoted(webSocket)}: the option tls is for TCP, use wss:// without it`;
    throw new ConnectError(message, Code.InvalidArgument);
  }
  const hasWebSocket = options.webSocketFactory !== undefined || typeof globalThis.WebSocket === "function";
  // Where neither works, the websocket's dialler says what is missing.
  if (hasTcp() && !hasWebSocket && tcp.length > 0) return [tcp];
  return [hasTcp() ? tcp : [], webSocket].filter((group) => group.length > 0);
}

async function load(group: readonly BrokerUrl[], options: BusOptions): Promise<Dialler> {
  if (group[0]?.kind === "websocket") return await loadWebSocket(options);
  const secure = options.tls !== undefined || group.some((url) => url.secure);
  return await loadTcp(options, secure);
}

/** The user that options or URLs name, where that is settled once and for all. */
function namedUser(urls: readonly BrokerUrl[], options: BusOptions): unknown {
  // A user alone is a token.
  return options.user ?? urls.find(({ user, password }) => user !== "" && password !== "")?.user;
}

/** Finds out who we are to be at a broker that this machine's user runs here; `undefined` where that cannot be. */
async function localLogins(urls: readonly BrokerUrl[], options: BusOptions): Promise<(() => Login | undefined) | undefined> {
  const { local = {} } = options;
  if (local === false || !hasTcp() || hasCredentials(options, urls) || !urls.some(isLoopback)) return undefined;
  return await findLocalLogins(urls.filter(isLoopback).map(({ address }) => address), local);
}

type Outcome = { bus: Bus } | { error: unknown };

/** What holds for one round of dials. */
type RoundOptions = BusOptions & { readonly owner: string | undefined };

/** One round: every URL once, until one connects or refuses us. */
async function tryAll(
  groups: readonly BrokerUrl[][],
  diallers: Dialler[],
  authenticate: (makers: AuthenticatorMakers) => Authenticator,
  options: RoundOptions,
): Promise<Outcome> {
  let last: Outcome = { error: undefined };
  for (const [index, group] of groups.entries()) {
    // Only when its turn has come: a client that is not used is not loaded, and does not warn.
    const dialler = diallers[index] ??= await load(group, options);
    for (const url of shuffled(group)) {
      // Aborted while the client was loaded: a dial that nobody watches would never end.
      options.signal?.throwIfAborted();
      try {
        return { bus: await connectTo(url, group, dialler, new DialControl(options, authenticate), options) };
      } catch (error) {
        options.signal?.throwIfAborted();
        last = { error: withoutQuery(error, url) };
        if (isRefusal(error)) return last;
      }
    }
  }
  return last;
}

async function connectTo(
  url: BrokerUrl,
  group: readonly BrokerUrl[],
  dialler: Dialler,
  control: DialControl,
  options: RoundOptions,
): Promise<Bus> {
  const dial = dialler.dial(url.address, control);
  const connection = await abortable(dial.connection, options.signal, () => {
    dial.abort();
    dial.connection.then((late) => late.close()).catch(() => {});
  });
  control.established();
  addServers(connection, group.filter((other) => other !== url).map((other) => other.address));
  const bus = new NatsBus(connection, options, dial.owned);
  bus.onStatus((status) => {
    if (status.type === "error" && isRefusal(status.error)) control.refused();
  });
  (options.logger ?? silentLogger).info("Connected to the broker", { url: redactUrl(url.address) });
  return bus;
}

/**
 * Lets the client reconnect to the other URLs. Given them all at once, it forgets each that fails before the first
 * connection, for ever (`nats` 2.29, `nats.ws` 1.30); and the list has no public way in later.
 */
function addServers(connection: NatsConnectionLike, addresses: readonly string[]): void {
  const { protocol } = connection as { protocol?: { servers?: { addServer?(address: string): void } } };
  for (const address of addresses) protocol?.servers?.addServer?.(address);
}

function unreachable(urls: readonly BrokerUrl[], options: BusOptions, cause: unknown): ConnectError {
  // Our own failure to make up an answer to the broker's challenge.
  if (cause instanceof ConnectError) return cause;
  const { connectTimeoutMs = 5000, waitOnFirstConnectMs = 0 } = options;
  if (isRefusal(cause)) return toBusError(cause, `connect to ${quoted(urls)}`);
  const timedOut = toBusError(cause, "connect").code === Code.DeadlineExceeded;
  const reason = timedOut ? `no answer within ${connectTimeoutMs} ms` : reasonOf(cause);
  const waited = waitOnFirstConnectMs > 0 ? `, for ${waitOnFirstConnectMs} ms` : "";
  const message = `Cannot connect to ${quoted(urls)}: ${reason}${waited}`;
  return new ConnectError(message, Code.Unavailable, undefined, undefined, cause);
}

function quoted(urls: readonly BrokerUrl[]): string {
  return urls.map((url) => `"${redactUrl(url.address)}"`).join(", ");
}

function shuffled<T>(items: readonly T[]): T[] {
  return items.map((item) => ({ item, rank: Math.random() })).sort((a, b) => a.rank - b.rank).map(({ item }) => item);
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined, onAbort: () => void): Promise<T> {
  if (signal === undefined) return await promise;
  if (signal.aborted) {
    onAbort();
    throw signal.reason;
  }
  const aborted = Promise.withResolvers<never>();
  const listener = () => {
    onAbort();
    aborted.reject(signal.reason);
  };
  signal.addEventListener("abort", listener, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", listener);
  }
}

async function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await abortable(elapsed, signal, () => clearTimeout(timer));
}
