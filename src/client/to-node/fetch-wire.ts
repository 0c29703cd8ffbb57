import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { MAX_ANSWER_BYTES, type NodeWire, type NodeWireOptions } from "./node-wire.ts";

/**
 * Connect by `fetch`, for runtimes that have nothing else.
 *
 * @throws {ConnectError} `failed_precondition` for what only Node, Bun and Deno can do
 */
export function fetchWire({ address, protocol, tls }: NodeWireOptions): NodeWire {
  if (protocol !== "connect") throw impossible(address.shown, `gRPC needs HTTP/2 trailers, take protocol "connect"`);
  if (address.socketPath !== undefined) throw impossible(address.shown, "there are no Unix sockets");
  if (tls !== undefined) throw impossible(address.shown, "its own settings of TLS hold, leave the option tls out");
  return {
    duplex: false,
    transport: (interceptors) =>
      createTransport({
        httpClient: fetchClient,
        baseUrl: address.baseUrl,
        useBinaryFormat: true,
        interceptors,
        acceptCompression: [],
        sendCompression: null,
        compressMinBytes: Infinity,
        readMaxBytes: MAX_ANSWER_BYTES,
        writeMaxBytes: MAX_ANSWER_BYTES,
      }),
    close() {},
  };
}

/** Sends requests whole, as `fetch` streams none in most runtimes, and reads answers as they come. */
const fetchClient: UniversalClientFn = async ({ url, method, header, body = [], signal }) => {
  const sent = await new Blob(await Array.fromAsync(body as AsyncIterable<Uint8Array<ArrayBuffer>>)).arrayBuffer();
  const init: RequestInit = { method, headers: header, body: sent, signal, redirect: "manual", credentials: "omit" };
  const response = await fetch(url, init);
  // A copy: those of Deno's responses cannot be changed, and Connect takes trailers out of them.
  const answered = new Headers(response.headers);
  return { status: response.status, header: answered, body: piecesOf(response.body), trailer: new Headers() };
};

async function* piecesOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function impossible(shown: string, why: string): ConnectError {
  return new ConnectError(`Cannot connect to node "${shown}" in this runtime: ${why}`, Code.FailedPrecondition);
}
