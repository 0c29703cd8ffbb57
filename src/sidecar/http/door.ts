/**
 * One port for HTTP/1.1 and HTTP/2 without TLS: the first bytes of a connection say which it is.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createServer as createHttp1, type RequestListener, type Server as Http1Server } from "node:http";
import { createServer as createHttp2, type Http2Server, type ServerHttp2Session } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import type { NodeListener } from "./listener.ts";
import type { SidecarLimits } from "../limits.ts";

/** How every HTTP/2 connection begins, up to where HTTP/1.1 would differ. */
const PREFACE = "PRI * HTTP/2";

type Bounds = Required<Pick<SidecarLimits, "maxConnections" | "requestTimeoutMs" | "idleTimeoutMs">>;

/** Where a {@linkcode Door} opens: an address and a port, or the path of a Unix socket. */
export type DoorPlace = { readonly host: string; readonly port: number } | { readonly path: string };

/** Takes connections of both protocols, in as many places as asked for, and bounds what they may do. */
export class Door implements AsyncDisposable {
  readonly #http1: Http1Server;
  readonly #http2: Http2Server;
  readonly #bounds: Bounds;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  #closing = false;

  constructor(listener: NodeListener, bounds: Bounds) {
    this.#bounds = bounds;
    const { requestTimeoutMs, idleTimeoutMs } = bounds;
    this.#http1 = createHttp1(
      // Bodies have bounds of their own: an upload may take longer than other requests.
      {
        noDelay: true,
        keepAliveTimeout: idleTimeoutMs,
        headersTimeout: requestTimeoutMs,
        requestTimeout: 0,
        connectionsCheckingInterval: Math.ceil(requestTimeoutMs / 4),
        maxHeaderSize: 16_384,
      },
      listener as RequestListener,
    );
    // It checks its connections' times from then on; it never listens itself.
    this.#http1.emit("listening");
    this.#http2 = createHttp2(
      { settings: { maxConcurrentStreams: 128, maxHeaderListSize: 16_384 }, maxSettings: 32 },
      listener,
    );
    this.#http2.on("session", (session) => {
      this.#sessions.add(session);
      session.once("close", () => this.#sessions.delete(session));
      let streams = 0;
      session.on("stream", (stream) => {
        streams++;
        stream.once("close", () => streams--);
      });
      // Requests that run have bounds of their own.
      session.setTimeout(idleTimeoutMs, () => streams === 0 && session.close());
    });
    // A connection that breaks ends its requests; there is nothing else to do about it.
    this.#http1.on("clientError", (_error, socket) => void socket.destroy());
    this.#http2.on("sessionError", () => {});
  }

  /** Connections now. */
  get connections(): number {
    return this.#sockets.size;
  }

  /**
   * Listens in one more place.
   *
   * @returns the port; 0 of a Unix socket
   * @throws {ConnectError} `unavailable` when it cannot
   */
  async open(place: DoorPlace): Promise<number> {
    const server = createServer({ noDelay: true }, (socket) => this.#admit(socket));
    this.#servers.push(server);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(place, resolve);
    try {
      await promise;
    } catch (cause) {
      const where = "path" in place ? place.path : `${place.host}:${place.port}`;
      const text = `Cannot listen on ${where}: ${cause instanceof Error ? cause.message : String(cause)}`;
      throw new ConnectError(text, Code.Unavailable, undefined, undefined, cause);
    }
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Takes no new connections, waits for running requests for `drainMs`, then ends all. Safe to call twice. */
  async close({ drainMs }: { drainMs: number }): Promise<void> {
    this.#closing = true;
    const closed = this.#servers.splice(0).map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    this.#http1.closeIdleConnections();
    for (const session of this.#sessions) session.close();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, drainMs);
    await Promise.race([Promise.all(closed), late.promise]);
    clearTimeout(timer);
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
    this.#http1.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ drainMs: 0 });
  }

  #admit(socket: Socket): void {
    if (this.#closing || this.#sockets.size >= this.#bounds.maxConnections) return void socket.destroy();
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {});
    socket.setTimeout(this.#bounds.requestTimeoutMs, () => socket.destroy());
    this.#sniff(socket);
  }

  /** Reads until it is clear which protocol it is; what was read is put back for the server that takes over. */
  #sniff(socket: Socket): void {
    const chunks: Uint8Array[] = [];
    const onData = (chunk: Uint8Array) => {
      chunks.push(chunk);
      const read = Buffer.concat(chunks);
      const start = read.toString("latin1", 0, PREFACE.length);
      if (start.length < PREFACE.length && PREFACE.startsWith(start)) return;
      socket.off("data", onData);
      socket.pause();
      socket.unshift(read);
      socket.setTimeout(0);
      socket.removeAllListeners("timeout");
      if (start === PREFACE) return void this.#http2.emit("connection", socket);
      this.#http1.emit("connection", socket);
      socket.resume();
    };
    socket.on("data", onData);
  }
}
