import { Code, ConnectError } from "@connectrpc/connect";
import { piecesOf } from "./stream.ts";

/** What to get. */
export interface HttpGetRequest {
  /** An http or https URL. */
  readonly url: string;
  /** Request headers, names in lower case. */
  readonly headers: Record<string, string>;
  /** Bytes that must come with a status of 200 or 206. */
  readonly length: number;
  /** Ends it. */
  readonly signal: AbortSignal | undefined;
  /** Silence after which it is given up. */
  readonly stallMs: number;
}

/** What came. */
export interface HttpGetAnswer {
  /** The status. Redirections are not followed. */
  readonly status: number;
  /** The body: `length` bytes for 200 and 206, none for others. */
  readonly bytes: Uint8Array;
}

/** Sends a GET and reads its answer whole. */
export type HttpGet = (request: HttpGetRequest) => Promise<HttpGetAnswer>;

/** Below that one `arrayBuffer()` is cheaper than a loop over pieces; above it the loop saves a copy of everything. */
const SMALL_BYTES = 262_144;

/** GET by `fetch`, which keeps connections by itself. */
export function fetchGet(fetch: typeof globalThis.fetch): HttpGet {
  return async (request) => {
    const watch = new Watch(request);
    try {
      const response = await fetch(request.url, {
        headers: request.headers,
        redirect: "manual",
        credentials: "omit",
        signal: watch.signal,
      });
      if (response.status !== 200 && response.status !== 206) {
        await response.body?.cancel();
        return { status: response.status, bytes: new Uint8Array(0) };
      }
      return { status: response.status, bytes: await readBody(response, request.length, watch) };
    } finally {
      watch.stop();
    }
  };
}

/** What an answer of another size than announced ends in. */
export function wrongLength(wanted: number, seen: number | string): ConnectError {
  return new ConnectError(`Cannot fetch a tensor over HTTP: ${wanted} bytes must come, got ${seen}`, Code.DataLoss);
}

/** What silence ends in. */
export function stalled(stallMs: number): ConnectError {
  return new ConnectError(`Cannot fetch a tensor over HTTP: bytes must come every ${stallMs} ms, got none`, Code.Unavailable);
}

async function readBody(response: Response, length: number, watch: Watch): Promise<Uint8Array> {
  const announced = response.headers.get("content-length");
  if (announced !== null && Number(announced) !== length) {
    await response.body?.cancel();
    throw wrongLength(length, announced);
  }
  if (announced !== null && length <= SMALL_BYTES) {
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length !== length) throw wrongLength(length, bytes.length);
    return bytes;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  // Leaving the loop early cancels the body.
  for await (const piece of piecesOf(response.body)) {
    watch.alive();
    if (piece.length > length - at) throw wrongLength(length, `${at + piece.length} or more`);
    bytes.set(piece, at);
    at += piece.length;
  }
  if (at < length) throw wrongLength(length, at);
  return bytes;
}

/** A signal that fires with the caller's, and after silence. */
class Watch {
  readonly #controller = new AbortController();
  readonly #request: HttpGetRequest;
  readonly #onAbort = () => this.#controller.abort(this.#request.signal?.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(request: HttpGetRequest) {
    this.#request = request;
    request.signal?.addEventListener("abort", this.#onAbort);
    this.alive();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  alive(): void {
    const { stallMs } = this.#request;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(stalled(stallMs)), stallMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#request.signal?.removeEventListener("abort", this.#onAbort);
  }
}
