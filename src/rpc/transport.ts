import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  type DescService,
  type MessageInitShape,
  type MessageShape,
  type Registry,
} from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextKey,
  type ContextValues,
  createContextKey,
  createContextValues,
  type Interceptor,
  type StreamResponse,
  type Transport,
  type UnaryResponse,
} from "@connectrpc/connect";
import { runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import { PlainHeaders } from "../telemetry/plain-headers.ts";
import type { Caller } from "./caller.ts";
import { decodeMessage, encodeMessage, generalCodecs, type MessageCodecs } from "./codec.ts";
import { fault } from "./error.ts";
import { type Codec, HEADER_ROOM_BYTES } from "./frame.ts";
import { encodeMetadata, type Metadata, traceAlone } from "./metadata.ts";
import type { CallRequest } from "./call-request.ts";
import type { Route } from "./route.ts";
import { firstCredit, StreamCall } from "./stream-call.ts";
import { callPost, callUnary, type RawAnswer } from "./unary-call.ts";
import { Upload } from "./upload.ts";

/** What a call over the bus can be told beside Connect's own call options. */
export interface BusCallOptions {
  /** A second request with the same key is dropped by the broker, within two minutes. Costs a third of the rate. */
  idempotencyKey?: string;
  /** Running it twice is harmless. Default: what the method's `idempotency_level` says. */
  idempotent?: boolean;
}

/** Carries {@linkcode BusCallOptions} in Connect's context values. */
export const busCallOptions: ContextKey<BusCallOptions> = createContextKey<BusCallOptions>({}, {
  description: "Waybill call options",
});

/** How to make a transport. */
export interface BusTransportOptions {
  /** The calling half of a connection. */
  caller: Caller;
  /** Where requests go. */
  route: Route;
  /** Connect interceptors, the first one outermost. Calls without any are cheaper. */
  interceptors?: Interceptor[];
  /** Deadline of calls that name none. Default: none. */
  defaultTimeoutMs?: number;
  /** Message types that are encoded in a way of their own. Default: none. */
  codecs?: MessageCodecs;
  /** How messages are encoded. Default `"proto"`. */
  codec?: Codec;
  /** Knows what `Any` may hold, for messages in JSON. Default: nothing. */
  registry?: Registry;
}

/** A Connect transport whose wire is a subject: for `createClient` of any service, and for operators. */
export class BusTransport implements Transport {
  readonly #caller: Caller;
  readonly #route: Route;
  readonly #interceptors: Interceptor[];
  readonly #defaultTimeoutMs: number | undefined;
  readonly #codecs: MessageCodecs;
  readonly #codec: Codec;
  readonly #registry: Registry | undefined;

  constructor(options: BusTransportOptions) {
    this.#caller = options.caller;
    this.#route = options.route;
    this.#interceptors = options.interceptors ?? [];
    this.#defaultTimeoutMs = options.defaultTimeoutMs;
    this.#codecs = options.codecs ?? generalCodecs;
    this.#codec = options.codec ?? "proto";
    this.#registry = options.registry;
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O> & AnswerSource> {
    const deadlineMs = this.#deadlineOf(timeoutMs);
    if (this.#interceptors.length === 0) {
      const headers = headersOf(header);
      return this.#unary(method, headers, create(method.input, input), deadlineMs, signal, contextValues);
    }
    return runUnaryCall<I, O>({
      interceptors: this.#interceptors,
      signal,
      timeoutMs: deadlineMs,
      req: { ...this.#common(method, header, contextValues), stream: false, method, message: create(method.input, input) },
      next: async (req) => {
        const response = await this.#unary(method, req.header, req.message, deadlineMs, req.signal, contextValues);
        return response.materialize();
      },
      // Interceptors pass on what they do not know.
    }) as Promise<UnaryResponse<I, O> & AnswerSource>;
  }

  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O> & StreamSource> {
    const deadlineMs = this.#deadlineOf(timeoutMs);
    const send = async (
      headers: Headers | PlainHeaders | undefined,
      messages: AsyncIterable<MessageInitShape<I>>,
      abort?: AbortSignal,
    ) => {
      const upload = method.methodKind === "server_streaming" ? undefined : this.#upload(method, messages);
      const first = upload === undefined
        ? this.#encode(method, create(method.input, await only(messages)))
        : await upload.first();
      const request = this.#request(method, headers, first ?? EMPTY, deadlineMs, contextValues);
      const seq = upload?.sent ?? 0;
      const call = new StreamCall(this.#caller, { ...request, seq, ...firstCredit(this.#caller) }, abort, upload).start();
      return new BusStreamResponse(method, call, await call.metadata, this.#codecs, this.#registry);
    };
    const response = this.#interceptors.length === 0 ? send(headersOf(header), input, signal) : runStreamingCall<I, O>({
      interceptors: this.#interceptors,
      signal,
      timeoutMs: deadlineMs,
      req: { ...this.#common(method, header, contextValues), stream: true, method, message: input },
      next: (req) => send(req.header, req.message as AsyncIterable<MessageInitShape<I>>, req.signal),
    }) as Promise<StreamResponse<I, O> & StreamSource>;
    // Who still sends may not have asked for the answers yet: a call that fails meanwhile must not end the process.
    response.catch(() => {});
    return response;
  }
  /**
   * Sends a request of a unary method that nobody answers. Resolves once it is stored, or accepted by an instance; with `false` when
   * it was dropped, as one with the same key was sent before.
   */
  post<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    options: { signal?: AbortSignal; timeoutMs?: number; header?: HeadersInit; contextValues?: ContextValues } = {},
  ): Promise<boolean> {
    const headers = headersOf(options.header);
    const payload = this.#encode(method, create(method.input, input));
    const request = this.#request(method, headers, payload, options.timeoutMs, options.contextValues);
    return callPost(this.#caller, { ...request, kind: "post" }, options.signal);
  }

  async #unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    headers: Headers | PlainHeaders | undefined,
    message: MessageShape<I>,
    deadlineMs: number | undefined,
    signal: AbortSignal | undefined,
    contextValues: ContextValues | undefined,
  ): Promise<BusUnaryResponse<I, O>> {
    const payload = this.#encode(method, message);
    const request = this.#request(method, headers, payload, deadlineMs, contextValues);
    return new BusUnaryResponse(method, await callUnary(this.#caller, request, signal), this.#codecs, this.#registry);
  }

  #encode<I extends DescMessage>(method: DescMethod & { input: I }, message: MessageShape<I>): Uint8Array {
    return encodeMessage(this.#codec, method.input, message, this.#codecs, this.#registry);
  }

  #upload<I extends DescMessage>(method: DescMethod & { input: I }, messages: AsyncIterable<MessageInitShape<I>>): Upload {
    return new Upload(messages, (message) => {
      const payload = this.#encode(method, create(method.input, message as MessageInitShape<I>));
      const limit = this.#caller.bus.maxPayloadBytes - HEADER_ROOM_BYTES;
      if (payload.length <= limit) return payload;
      throw fault(
        `Cannot stream to ${this.#route.label}: the message takes ${payload.length} bytes, more than the broker's ${limit}`,
        Code.ResourceExhausted,
        { reason: "MESSAGE_TOO_LARGE", operator: this.#route.operator },
      );
    });
  }

  #request(
    method: DescMethod,
    headers: Headers | PlainHeaders | undefined,
    payload: Uint8Array,
    timeoutMs: number | undefined,
    contextValues: ContextValues | undefined,
  ): CallRequest {
    const options = contextValues?.get(busCallOptions);
    const trace = traceAlone(headers);
    return {
      route: this.#route,
      kind: "request",
      method: methodPath(method),
      payload,
      metadata: trace === "" ? encodeMetadata(headers) : "",
      trace,
      timeoutMs,
      idempotencyKey: options?.idempotencyKey,
      idempotent: options?.idempotent ?? method.idempotency !== 0,
      creditItems: 0,
      creditBytes: 0,
      codec: this.#codec,
      seq: 0,
    };
  }

  /** As Connect has it: no time at all means no deadline. */
  #deadlineOf(timeoutMs: number | undefined): number | undefined {
    if (timeoutMs === undefined) return this.#defaultTimeoutMs;
    return timeoutMs <= 0 ? undefined : timeoutMs;
  }

  #common(method: DescMethod, header: HeadersInit | undefined, contextValues: ContextValues | undefined) {
    return {
      service: method.parent,
      requestMethod: "POST",
      url: `bus:${this.#route.subject}/${methodPath(method)}`,
      header: new Headers(header),
      contextValues: contextValues ?? createContextValues(),
    };
  }
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const EMPTY = new Uint8Array(0);
const paths = new WeakMap<DescMethod, string>();

/** `package.Service/Method`, as frames name it. */
export function methodPath(method: DescMethod): string {
  let path = paths.get(method);
  if (path === undefined) paths.set(method, path = `${method.parent.typeName}/${method.name}`);
  return path;
}

/** A unary answer; headers and trailers are parsed when first read. */
export class BusUnaryResponse<I extends DescMessage, O extends DescMessage> implements UnaryResponse<I, O>, AnswerSource {
  readonly stream = false as const;
  readonly method: DescMethodUnary<I, O>;
  readonly message: MessageShape<O>;
  readonly #answer: RawAnswer;
  #metadata: Metadata | undefined;

  constructor(method: DescMethodUnary<I, O>, answer: RawAnswer, codecs: MessageCodecs, registry: Registry | undefined) {
    this.method = method;
    this.#answer = answer;
    this.message = decodeMessage(answer.frame.codec, method.output, answer.payload, codecs, registry);
  }

  get service(): DescService {
    return this.method.parent;
  }
  get header(): Headers {
    return (this.#metadata ??= this.#answer.metadata()).header;
  }
  get trailer(): Headers {
    return (this.#metadata ??= this.#answer.metadata()).trailer;
  }
  /** The instance that answered. */
  get instance(): string {
    return this.#answer.frame.instance;
  }
  /** Which execution of the request it was, from 1. */
  get attempt(): number {
    return this.#answer.frame.attempt;
  }

  /** The same as a plain object: interceptors copy responses by spreading them, which leaves getters behind. */
  materialize(): UnaryResponse<I, O> & AnswerSource {
    const { stream, service, method, message, header, trailer, instance, attempt } = this;
    return { stream, service, method, message, header, trailer, instance, attempt };
  }
}

/** Who answered a call. */
export interface AnswerSource {
  /** The instance that answered. */
  readonly instance: string;
  /** Which execution of the request it was, from 1. */
  readonly attempt: number;
}

/** Who answers a stream. */
export interface StreamSource {
  /** Set anew with each message. */
  readonly source: AnswerSource;
}

/**
 * A stream of answers. Leaving its loop early cancels the call. All that it has is its own property: interceptors copy
 * responses by spreading them.
 */
export class BusStreamResponse<I extends DescMessage, O extends DescMessage> implements StreamResponse<I, O>, StreamSource {
  readonly stream = true as const;
  readonly service: DescService;
  readonly method: DescMethodStreaming<I, O>;
  readonly header: Headers;
  /** Filled when the stream has ended. */
  readonly trailer: Headers;
  readonly message: AsyncIterable<MessageShape<O>>;
  readonly source: Writable<AnswerSource>;

  constructor(
    method: DescMethodStreaming<I, O>,
    call: StreamCall,
    metadata: Metadata,
    codecs: MessageCodecs,
    registry: Registry | undefined,
  ) {
    this.service = method.parent;
    this.method = method;
    this.header = metadata.header;
    this.trailer = call.trailer;
    this.source = call.source;
    this.message = messagesOf(call, method.output, this.source, codecs, registry);
  }
}

async function* messagesOf<O extends DescMessage>(
  call: StreamCall,
  type: O,
  source: Writable<AnswerSource>,
  codecs: MessageCodecs,
  registry: Registry | undefined,
): AsyncGenerator<MessageShape<O>> {
  for await (const { frame, payload } of call) {
    source.instance = frame.instance;
    source.attempt = frame.attempt;
    yield decodeMessage(frame.codec, type, payload, codecs, registry);
  }
}

async function only<T>(messages: AsyncIterable<T>): Promise<T> {
  let found: { value: T } | undefined;
  for await (const value of messages) {
    if (found !== undefined) {
      throw new ConnectError("Cannot call a server stream with more than one request message", Code.InvalidArgument);
    }
    found = { value };
  }
  if (found === undefined) {
    throw new ConnectError("Cannot call a server stream without a request message", Code.InvalidArgument);
  }
  return found.value;
}

/** They are only read: a copy would be made for nothing. */
function headersOf(init: HeadersInit | undefined): Headers | PlainHeaders | undefined {
  return init === undefined || init instanceof Headers || init instanceof PlainHeaders ? init : new Headers(init);
}
