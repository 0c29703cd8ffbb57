/**
 * The Connect protocol over `fetch`, for binary messages of one request each: https://connectrpc.com/docs/protocol. Connect's own
 * transport does the same and much more; the bundlers that split by file load 5 KB gzipped of it in every page, also where no node is
 * ever called.
 *
 * @module
 */
import type { DescMessage, DescMethod, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextValues,
  type Interceptor,
  type StreamResponse,
  type Transport,
  type UnaryResponse,
} from "@connectrpc/connect";
import { runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import { decodeMessage, encodeMessage } from "../../rpc/codec.ts";
import { methodPath } from "../../rpc/transport.ts";
import { inferCodecs } from "../../tensor/mod.ts";
import { checkEncoding, checkUnary, endOf, httpError } from "./connect-answers.ts";
import { envelope, envelopesOf } from "./envelopes.ts";
import { setCallId } from "./headers.ts";

const UNARY = "application/proto";
const STREAM = "application/connect+proto";
const COMPRESSED = 1;
const END = 2;

/** Calls by POST. */
export class FetchTransport implements Transport {
  readonly #baseUrl: string;
  readonly #interceptors: Interceptor[];

  constructor(baseUrl: string, interceptors: Interceptor[]) {
    this.#baseUrl = baseUrl;
    this.#interceptors = interceptors;
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    const common = this.#common(method, UNARY, timeoutMs, header, contextValues);
    return runUnaryCall<I, O>({
      interceptors: this.#interceptors,
      signal,
      timeoutMs,
      req: { ...common, stream: false, method, message: create(method.input, input) },
      next: async (request) => {
        const body = encodeMessage("proto", method.input, request.message, inferCodecs);
        const response = await post(request.url, request.header, body, request.signal);
        const { header, trailer } = await checkUnary(response, UNARY);
        const bytes = new Uint8Array(await response.arrayBuffer());
        const message = decodeMessage("proto", method.output, bytes, inferCodecs);
        return { stream: false, service: method.parent, method, header, trailer, message };
      },
    });
  }

  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    const common = this.#common(method, STREAM, timeoutMs, header, contextValues);
    return runStreamingCall<I, O>({
      interceptors: this.#interceptors,
      signal,
      timeoutMs,
      req: { ...common, stream: true, method, message: input },
      next: async (request) => {
        const [message] = await Array.fromAsync(request.message as AsyncIterable<MessageInitShape<I>>);
        const bytes = encodeMessage("proto", method.input, create(method.input, message), inferCodecs);
        const response = await post(request.url, request.header, envelope(bytes), request.signal);
        if (response.status !== 200 || response.headers.get("content-type") !== STREAM) throw await httpError(response);
        checkEncoding(response, "connect-content-encoding");
        const trailer = new Headers();
        const answers = messagesOf(method.output, response, trailer);
        const header = new Headers(response.headers);
        return { stream: true, service: method.parent, method, header, trailer, message: answers };
      },
    });
  }

  #common(
    method: DescMethod,
    type: string,
    timeoutMs: number | undefined,
    given: HeadersInit | undefined,
    contextValues: ContextValues = createContextValues(),
  ) {
    const header = new Headers(given);
    header.set("content-type", type);
    header.set("connect-protocol-version", "1");
    setCallId(header);
    if (timeoutMs !== undefined) header.set("connect-timeout-ms", String(timeoutMs));
    const url = `${this.#baseUrl}/${methodPath(method)}`;
    return { service: method.parent, requestMethod: "POST", url, header, contextValues };
  }
}

async function post(url: string, headers: Headers, body: Uint8Array, signal: AbortSignal): Promise<Response> {
  const init: RequestInit = { method: "POST", headers, body: body as Uint8Array<ArrayBuffer>, signal };
  try {
    return await fetch(url, { ...init, redirect: "manual", credentials: "omit" });
  } catch (error) {
    throw ConnectError.from(error, Code.Internal);
  }
}

async function* messagesOf<O extends DescMessage>(type: O, { body }: Response, trailer: Headers) {
  for await (const { flags, data } of envelopesOf(body)) {
    if ((flags & COMPRESSED) !== 0) {
      throw new ConnectError("Cannot read an answer: it is compressed, and that was not asked for", Code.Internal);
    }
    if ((flags & END) !== 0) return endOf(data, trailer);
    yield decodeMessage("proto", type, data, inferCodecs);
  }
  // In the words of Connect's own.
  throw new ConnectError("protocol error: missing EndStreamResponse", Code.InvalidArgument);
}
