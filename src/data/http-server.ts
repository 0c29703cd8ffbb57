/**
 * HTTP servers of the runtimes, behind one function.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";

/** Answers a request; a Hono app's `fetch`. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

/** How to serve HTTP. */
export interface HttpServerOptions {
  /** The address to bind. Default `"127.0.0.1"`: this host only. */
  hostname?: string;
  /** The port; 0 picks a free one. Default 0. */
  port?: number;
  /** The URL by which others reach the server, where it is not that of the address. No path. Default: the address's. */
  advertiseUrl?: string;
}

/** A server that listens. */
export interface HttpServer extends AsyncDisposable {
  /** How others reach it, without a slash at the end. */
  readonly url: string;
  /** Takes no new requests, waits for running ones for `drainMs` (default 1,000 ms), then closes all connections. */
  close(options?: { drainMs?: number }): Promise<void>;
}

/** A server as its runtime's adapter gives it. */
export interface ListeningServer {
  /** The port that it has. */
  readonly port: number;
  /** Takes no new connections; settles when those there are have ended. */
  stop(): Promise<void>;
  /** Ends all connections. */
  kill(): void | Promise<void>;
}

/** How long a connection may be silent, in seconds: quiet streams live, dead peers go. Bun takes at most 255. */
export const IDLE_SECONDS = 240;

/**
 * Serves a handler over HTTP with the server of the runtime.
 *
 * @throws {ConnectError} `unavailable` when the address cannot be bound, `unimplemented` in a runtime without a server,
 * `invalid_argument` for a bad `advertiseUrl`
 */
export async function serveHttp(app: { fetch: FetchHandler }, options: HttpServerOptions = {}): Promise<HttpServer> {
  const { hostname = "127.0.0.1", port = 0, advertiseUrl } = options;
  // Checked before anything listens.
  urlOf(hostname, port, advertiseUrl);
  const listen = await adapter();
  let server: ListeningServer;
  try {
    server = await listen((request) => app.fetch(request), hostname, port);
  } catch (cause) {
    const text = `Cannot serve HTTP on ${hostname}:${port}: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new ConnectError(text, Code.Unavailable, undefined, undefined, cause);
  }
  let closing: Promise<void> | undefined;
  const close = ({ drainMs = 1_000 }: { drainMs?: number } = {}) => closing ??= closeServer(server, drainMs);
  return { url: urlOf(hostname, server.port, advertiseUrl), close, [Symbol.asyncDispose]: () => close() };
}

/** Imported when asked for, so that no runtime loads another's. */
async function adapter(): Promise<(fetch: FetchHandler, hostname: string, port: number) => Promise<ListeningServer>> {
  if ("Bun" in globalThis) return (await import("./http-server-bun.ts")).listenBun;
  if ("Deno" in globalThis) return (await import("./http-server-deno.ts")).listenDeno;
  if ("process" in globalThis) return (await import("./http-server-node.ts")).listenNode;
  throw new ConnectError("Cannot serve HTTP: it needs Node, Bun or Deno", Code.Unimplemented);
}

async function closeServer(server: ListeningServer, drainMs: number): Promise<void> {
  const stopped = server.stop();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, drainMs));
  await Promise.race([stopped, late]);
  clearTimeout(timer);
  await server.kill();
}

/**
 * The URL of a server, without a slash at the end.
 *
 * @param advertiseUrl in its place, where others reach it by another one
 * @throws {ConnectError} `invalid_argument` for a bad `advertiseUrl`
 */
export function urlOf(hostname: string, port: number, advertiseUrl: string | undefined): string {
  if (advertiseUrl !== undefined) return checkUrl(advertiseUrl);
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url !== undefined && (url.protocol === "http:" || url.protocol === "https:") &&
    url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (plain) return text.replace(/\/+$/, "");
  throw new ConnectError(
    "Cannot serve HTTP: advertiseUrl must be an http:// or https:// URL without user, query and fragment, got another",
    Code.InvalidArgument,
  );
}
