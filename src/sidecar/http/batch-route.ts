import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createHandlerContext, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { BatchResponseSchema, SessionService } from "../../../gen/waybill/v1/session_pb.ts";
import { codeToHttpStatus, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import type { NodeRequest, NodeResponse } from "./listener.ts";

const { batch: METHOD } = SessionService.method;
const PATH = `/${METHOD.parent.typeName}/${METHOD.name}`;

/** Answers a request, or leaves it to others. */
export type Route = (request: NodeRequest, response: NodeResponse) => boolean;

/**
 * Answers the batches of local workers without Connect's own handlers, which cost more than what is in them: unary, over HTTP/1.1, in
 * protobuf, and of a length that is told, as our workers send them. Any other is left to Connect.
 */
export function batchRoute(batch: ServiceImpl<typeof SessionService>["batch"], maxBytes: number): Route {
  // What a call costs is in making these; a connection carries one call at a time.
  const contexts = new WeakMap<Socket, HandlerContext>();
  const contextOf = (socket: Socket): HandlerContext => {
    let context = contexts.get(socket);
    if (context === undefined) {
      const gone = new AbortController();
      socket.once("close", () => gone.abort(new ConnectError("The connection has ended", Code.Canceled)));
      contexts.set(socket, context = contextWith(gone.signal));
    }
    return context;
  };
  return (request, response) => {
    if (request.url !== PATH || "stream" in response || !("socket" in request)) return false;
    const { headers, method } = request;
    const length = Number(headers["content-length"] ?? NaN);
    const plain = headers["content-type"] === "application/proto" && headers["content-encoding"] === undefined;
    if (method !== "POST" || !plain || !(length <= maxBytes)) return false;
    void answer(request as IncomingMessage, response, length, async (body) => {
      const message = fromBinary(METHOD.input, body);
      return toBinary(METHOD.output, create(BatchResponseSchema, await batch(message, contextOf(request.socket as Socket))));
    });
    return true;
  };
}

function contextWith(signal: AbortSignal): HandlerContext {
  return createHandlerContext({
    service: METHOD.parent,
    method: METHOD,
    protocolName: "connect",
    requestMethod: "POST",
    url: `http://localhost${PATH}`,
    requestSignal: signal,
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  length: number,
  work: (body: Uint8Array) => Promise<Uint8Array>,
): Promise<void> {
  let status = 200;
  let type = "application/proto";
  let body: Uint8Array;
  try {
    body = await work(await read(request, length));
  } catch (cause) {
    // A body that is no message is its sender's fault, as for Connect.
    const error = cause instanceof ConnectError ? cause : new ConnectError(String(cause), Code.InvalidArgument);
    status = codeToHttpStatus(error.code);
    type = "application/json";
    body = errorToJsonBytes(error, undefined);
  }
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": type, "content-length": body.length });
  response.end(body);
}

function read(request: IncomingMessage, length: number): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const pieces: Uint8Array[] = [];
  request.on("data", (piece: Uint8Array) => pieces.push(piece));
  request.on("end", () => resolve(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length)));
  // An error captures a stack: none is made for what has ended well.
  request.on("close", () => {
    if (!request.complete) reject(new ConnectError("Cannot read a request: its connection has ended", Code.Canceled));
  });
  return promise;
}
