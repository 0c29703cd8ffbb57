import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createWritableIterable } from "@connectrpc/connect/protocol";
import { addHeaders, describeError, describeHeaders } from "./convert.ts";
import {
  type ClientCompatRequest,
  type ClientResponseResult,
  ClientResponseResultSchema,
} from "./gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { StreamType } from "./gen/connectrpc/conformance/v1/config_pb.ts";
import * as service from "./gen/connectrpc/conformance/v1/service_pb.ts";

/** What every answer of the service has. */
interface Answer {
  readonly payload?: service.ConformancePayload;
}

/** One call of the suite, as far as it has come. */
class Call {
  readonly result: ClientResponseResult = create(ClientResponseResultSchema);
  readonly client: Client<typeof service.ConformanceService>;
  readonly options: CallOptions;
  readonly #request: ClientCompatRequest;
  readonly #abort: AbortController = new AbortController();
  #headers: Headers | undefined;
  #trailers: Headers | undefined;

  constructor(transport: Transport, request: ClientCompatRequest) {
    this.#request = request;
    this.client = createClient(service.ConformanceService, transport);
    this.options = {
      headers: addHeaders(request.requestHeaders, new Headers()),
      timeoutMs: request.timeoutMs,
      signal: this.#abort.signal,
      onHeader: (headers) => this.#headers = headers,
      onTrailer: (trailers) => this.#trailers = trailers,
    };
  }

  /** The messages to send. */
  messages<T extends DescMessage>(type: T): MessageShape<T>[] {
    return this.#request.requestMessages.map((any: Any) => {
      const message = anyUnpack(any, type);
      if (message === undefined) throw new Error(`Cannot send ${any.typeUrl}: a ${type.typeName} is wanted`);
      return message;
    });
  }

  took({ payload }: Answer): void {
    this.result.payloads.push(payload ?? create(service.ConformancePayloadSchema));
    const timing = this.#request.cancel?.cancelTiming;
    if (timing?.case === "afterNumResponses" && timing.value === this.result.payloads.length) this.#abort.abort();
  }

  /** All messages are sent; nothing says so to the server yet. */
  sent(): void {
    if (this.#request.cancel?.cancelTiming.case === "beforeCloseSend") this.#abort.abort();
  }

  /** The server is told that no more follow. */
  closed(): void {
    const timing = this.#request.cancel?.cancelTiming;
    if (timing?.case === "afterCloseSendMs") setTimeout(() => this.#abort.abort(), timing.value);
  }

  delay(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.#request.requestDelayMs));
  }

  /** What came of it, once `work` is over. */
  async over(work: Promise<void>): Promise<ClientResponseResult> {
    const { result } = this;
    try {
      await work;
    } catch (cause) {
      const error = ConnectError.from(cause);
      result.error = describeError(error);
      // Which of them were headers cannot be told from an error.
      this.#headers ??= error.metadata;
      this.#trailers ??= error.metadata;
    }
    result.responseHeaders = describeHeaders(this.#headers ?? new Headers());
    result.responseTrailers = describeHeaders(this.#trailers ?? new Headers());
    return result;
  }
}

async function unary(call: Call, method: "unary" | "idempotentUnary"): Promise<void> {
  const [message] = call.messages(service.ConformanceService.method[method].input);
  const answer = call.client[method](message as never, call.options);
  call.closed();
  call.took(await answer);
}

async function unimplemented(call: Call): Promise<void> {
  await call.client.unimplemented(call.messages(service.UnimplementedRequestSchema)[0]!, call.options);
}

async function serverStream(call: Call): Promise<void> {
  const answers = call.client.serverStream(call.messages(service.ServerStreamRequestSchema)[0]!, call.options);
  call.closed();
  for await (const answer of answers) call.took(answer);
}

async function clientStream(call: Call): Promise<void> {
  const messages = async function* () {
    for (const message of call.messages(service.ClientStreamRequestSchema)) {
      await call.delay();
      yield message;
    }
    call.sent();
    call.closed();
  };
  call.took(await call.client.clientStream(messages(), call.options));
}

async function bidiStream(call: Call, fullDuplex: boolean): Promise<void> {
  const requests = createWritableIterable<service.BidiStreamRequest>();
  const messages = call.messages(service.BidiStreamRequestSchema);
  const answers = call.client.bidiStream(requests, call.options)[Symbol.asyncIterator]();
  for (const [index, message] of messages.entries()) {
    await call.delay();
    try {
      await requests.write(message);
    } catch {
      // The call has ended; reading its answers says how.
      call.result.numUnsentRequests = messages.length - index;
      break;
    }
    if (!fullDuplex) continue;
    const next = await answers.next();
    if (next.done) continue;
    call.took(next.value);
  }
  call.sent();
  requests.close();
  call.closed();
  for (let next = await answers.next(); !next.done; next = await answers.next()) call.took(next.value);
}

/** Makes the call that the runner describes. Rejects only where it cannot be made at all. */
export function invoke(transport: Transport, request: ClientCompatRequest): Promise<ClientResponseResult> {
  const call = new Call(transport, request);
  const { method, streamType } = request;
  if (method === "Unary") return call.over(unary(call, "unary"));
  if (method === "IdempotentUnary") return call.over(unary(call, "idempotentUnary"));
  if (method === "Unimplemented") return call.over(unimplemented(call));
  if (method === "ServerStream") return call.over(serverStream(call));
  if (method === "ClientStream") return call.over(clientStream(call));
  if (method === "BidiStream") return call.over(bidiStream(call, streamType === StreamType.FULL_DUPLEX_BIDI_STREAM));
  return Promise.reject(new Error(`Cannot call: the suite has no method "${method}"`));
}
