import type { Socket } from "node:net";
import { abortError } from "../rpc/error.ts";
import { type HttpGet, type HttpGetAnswer, type HttpGetRequest, stalled, wrongLength } from "./http-get.ts";
import { HttpHead } from "./http-head.ts";

/** The part of `node:net` that is used here. */
type NetModule = Pick<typeof import("node:net"), "connect">;

/** Connections to one owner. */
const MAX_SOCKETS = 256;
/** Of a body that nobody wants, such as an error's; after a longer one the connection is not used again. */
const MAX_SKIPPED_BYTES = 65_536;

/** A kept connection turned out to be closed, or the answer is one that this client does not read. */
class TryAgain extends Error {
  override readonly name = "TryAgain";
}

/**
 * GET over plain TCP with connections of its own, for `http:` in Node and Bun. On loopback, 8 kB: 70 µs of latency and 32 µs of
 * processor where Bun's `fetch` takes 86 and 65 (and a thread of its own, which two processors share badly), 82 and 41 where
 * Node 24's `node:http` takes 129 and 115.
 *
 * @param other for what this does not do: TLS, and bodies of unknown length
 * @returns `undefined` in other runtimes
 */
export function tcpGet(other: HttpGet): { get: HttpGet; close: () => void } | undefined {
  if ("Deno" in globalThis || typeof process !== "object" || typeof process.getBuiltinModule !== "function") return undefined;
  // Not imported, so that bundles for browsers build.
  const net: NetModule | undefined = process.getBuiltinModule("node:net");
  if (net === undefined) return undefined;
  const pools = new Map<string, Pool>();
  const get: HttpGet = async (request) => {
    const url = new URL(request.url);
    if (url.protocol !== "http:" || url.username !== "" || url.password !== "") return await other(request);
    let pool = pools.get(url.host);
    if (pool === undefined) pools.set(url.host, pool = new Pool(net, url, () => pools.delete(url.host)));
    try {
      return await pool.get(url, request);
    } catch (error) {
      if (!(error instanceof TryAgain)) throw error;
      // This was a GET: nothing is lost.
      return await other(request);
    }
  };
  return { get, close: () => pools.forEach((pool) => pool.close()) };
}

/** Connections to one owner. */
class Pool {
  readonly #net: NetModule;
  readonly #port: number;
  readonly #host: string;
  readonly #onEmpty: () => void;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  readonly #waiting: (() => void)[] = [];

  constructor(net: NetModule, url: URL, onEmpty: () => void) {
    this.#net = net;
    this.#host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    this.#port = Number(url.port || 80);
    this.#onEmpty = onEmpty;
  }

  async get(url: URL, request: HttpGetRequest): Promise<HttpGetAnswer> {
    while (this.#idle.length === 0 && this.#all.size >= MAX_SOCKETS) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (request.signal?.aborted) {
        this.#waiting.shift()?.();
        throw abortError(request.signal);
      }
    }
    const connection = this.#idle.pop() ?? this.#connect();
    return await connection.get(url, request);
  }

  close(): void {
    for (const connection of this.#all) connection.close();
  }

  #connect(): Connection {
    const socket = this.#net.connect({ host: this.#host, port: this.#port, noDelay: true });
    const connection = new Connection(socket, {
      onIdle: () => {
        this.#idle.push(connection);
        this.#waiting.shift()?.();
      },
      onClosed: () => {
        this.#all.delete(connection);
        const index = this.#idle.indexOf(connection);
        if (index >= 0) this.#idle.splice(index, 1);
        this.#waiting.shift()?.();
        if (this.#all.size === 0 && this.#waiting.length === 0) this.#onEmpty();
      },
    });
    this.#all.add(connection);
    return connection;
  }
}

/** A request on its way. */
interface Job {
  readonly request: HttpGetRequest;
  readonly resolve: (answer: HttpGetAnswer) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: () => void;
  readonly head: HttpHead;
  /** Of the body; `undefined` until the head is whole. */
  body?: { readonly bytes: Uint8Array; readonly status: number; at: number; left: number };
}

/** One connection: idle, or busy with one request; closed for good after anything that is not as it should be. */
class Connection {
  readonly #socket: Socket;
  readonly #pool: { onIdle(): void; onClosed(): void };
  #job: Job | undefined;
  #used = false;
  #closing = false;
  #stallMs = 0;

  constructor(socket: Socket, pool: { onIdle(): void; onClosed(): void }) {
    this.#socket = socket;
    this.#pool = pool;
    socket.on("data", (piece: Uint8Array) => this.#onData(piece));
    socket.on("error", (error) => this.#fail(this.#used && this.#job?.head.empty ? new TryAgain() : error));
    socket.on("close", () => this.#onClose());
    socket.on("end", () => socket.destroy());
    socket.on("timeout", () => this.#fail(stalled(this.#stallMs)));
  }

  get({ pathname, search, host }: URL, request: HttpGetRequest): Promise<HttpGetAnswer> {
    const { signal, stallMs, headers } = request;
    const { promise, resolve, reject } = Promise.withResolvers<HttpGetAnswer>();
    const onAbort = () => this.#fail(abortError(signal as AbortSignal));
    this.#job = { request, resolve, reject, onAbort, head: new HttpHead() };
    if (signal?.aborted) {
      onAbort();
      return promise;
    }
    signal?.addEventListener("abort", onAbort);
    if (this.#stallMs !== stallMs) this.#socket.setTimeout(this.#stallMs = stallMs);
    this.#socket.ref();
    let text = `GET ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\n`;
    for (const name in headers) text += `${name}: ${headers[name]}\r\n`;
    this.#socket.write(`${text}\r\n`, "latin1");
    return promise;
  }

  /** Ends it, with what runs on it. */
  close(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  #onData(piece: Uint8Array): void {
    const job = this.#job;
    // Nobody asked: whatever it is, it would be taken for the answer to the next request.
    if (job === undefined) return this.close();
    try {
      const rest = job.body === undefined ? this.#onHead(job, piece) : piece;
      if (job.body !== undefined && rest !== undefined) this.#onBody(job, job.body, rest);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Reads a piece of the head; returns what follows it, once it is whole. */
  #onHead(job: Job, piece: Uint8Array): Uint8Array | undefined {
    const rest = job.head.push(piece);
    if (rest === undefined) return undefined;
    const { status, contentLength } = job.head;
    const { length } = job.request;
    const wanted = status === 200 || status === 206;
    if (contentLength === undefined && wanted) throw new TryAgain();
    if (wanted && contentLength !== length) throw wrongLength(length, contentLength ?? 0);
    const left = contentLength ?? Infinity;
    job.body = { bytes: new Uint8Array(wanted ? length : 0), status, at: 0, left };
    if (!wanted && left > MAX_SKIPPED_BYTES) {
      this.#succeed(job, { status, bytes: job.body.bytes });
      this.close();
      return undefined;
    }
    return rest;
  }

  #onBody(job: Job, body: NonNullable<Job["body"]>, piece: Uint8Array): void {
    if (piece.length > body.left) throw wrongLength(job.request.length, `${body.at + piece.length} or more`);
    if (body.bytes.length > 0) body.bytes.set(piece, body.at);
    body.at += piece.length;
    body.left -= piece.length;
    if (body.left > 0) return;
    this.#succeed(job, { status: body.status, bytes: body.bytes });
    if (!job.head.keepAlive) return this.close();
    this.#used = true;
    this.#socket.unref();
    this.#pool.onIdle();
  }

  #succeed(job: Job, answer: HttpGetAnswer): void {
    this.#job = undefined;
    job.request.signal?.removeEventListener("abort", job.onAbort);
    job.resolve(answer);
  }

  #fail(error: unknown): void {
    const job = this.#job;
    this.#job = undefined;
    job?.request.signal?.removeEventListener("abort", job.onAbort);
    job?.reject(error);
    this.close();
  }

  #onClose(): void {
    const job = this.#job;
    if (job !== undefined) {
      // The owner closed an idle connection while the request was on its way.
      const stale = this.#used && job.head.empty && !this.#closing;
      this.#fail(stale ? new TryAgain() : wrongLength(job.request.length, job.body?.at ?? 0));
    }
    this.#pool.onClosed();
  }
}
