import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-grpc-web";
import { parseNodeUrl } from "../../client/to-node/node-address.ts";
import { MAX_ANSWER_BYTES } from "../../client/to-node/node-wire.ts";
import { runtimeWire } from "../../client/to-node/runtime-wire-node.ts";
import { piecesOf } from "../../data/stream.ts";
import type { GrpcWire } from "./grpc-backend.ts";

/** gRPC over HTTP/2 in Node, Bun and Deno; gRPC-Web by `fetch` elsewhere, and where that is asked for. */
export async function openGrpcWire(baseUrl: string, onlyWeb: boolean, fetch: typeof globalThis.fetch): Promise<GrpcWire> {
  const wire = onlyWeb ? undefined : await runtimeWire({ address: parseNodeUrl(baseUrl), protocol: "grpc", tls: undefined });
  if (wire !== undefined) return { transport: wire.transport([]), duplex: wire.duplex, close: () => wire.close() };
  const transport = createTransport({
    baseUrl,
    httpClient: whole(fetch),
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 0,
    readMaxBytes: MAX_ANSWER_BYTES,
    writeMaxBytes: MAX_ANSWER_BYTES,
  });
  return { transport, duplex: false, close() {} };
}

/** Sends bodies whole: browsers stream them over HTTP/2 alone, or not at all. */
function whole(fetch: typeof globalThis.fetch): UniversalClientFn {
  return async ({ url, method, header, body, signal }) => {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const part of body ?? []) parts.push(part as Uint8Array<ArrayBuffer>);
    const response = await fetch(url, { method, headers: header, body: new Blob(parts), signal });
    return { status: response.status, header: response.headers, body: piecesOf(response.body), trailer: new Headers() };
  };
}
