import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import {
  GRPCInferenceService,
  type ModelInferRequest,
  type ModelInferResponse,
  type ModelStreamInferResponse,
} from "../../../gen/inference/grpc_service_pb.ts";
import { OperatorService, type PostResponseSchema } from "../../../gen/waybill/v1/operator_pb.ts";
import { callOptionsOf, metadataOf, routeOf, setSource } from "../../client/to-node/headers.ts";
import type { Caller } from "../../rpc/caller.ts";
import { operatorRoute } from "../../rpc/route.ts";
import { type AnswerSource, busCallOptions, BusTransport } from "../../rpc/transport.ts";
import { inferCodecs } from "../../tensor/mod.ts";

/** Operators, and ways to call them, whose transports are kept; the one made first leaves first. */
const MAX_TRANSPORTS = 1_024;

/** What both kinds of answers have. */
interface Answered {
  readonly header: Headers;
  readonly trailer: Headers;
}

/** Passes calls on to operators over a bus, with their deadlines, metadata and cancels, and their answers back. */
export class Forwarder {
  readonly #caller: Caller;
  readonly #maxCallMs: number;
  readonly #transports = new Map<string, BusTransport>();

  constructor(caller: Caller, maxCallMs: number) {
    this.#caller = caller;
    this.#maxCallMs = maxCallMs;
  }

  /** One request, one answer. */
  async infer(request: ModelInferRequest, context: HandlerContext): Promise<ModelInferResponse> {
    const response = await this.#transport(request, context).unary(
      GRPCInferenceService.method.modelInfer,
      context.signal,
      this.#timeoutMs(context),
      metadataOf(context.requestHeader),
      request,
      contextValuesOf(context),
    );
    begin(context, response, response);
    append(context.responseTrailer, response.trailer);
    return response.message;
  }

  /** One request, many answers. */
  async *stream(request: ModelInferRequest, context: HandlerContext): AsyncGenerator<ModelInferResponse> {
    const response = await this.#transport(request, context).stream(
      OperatorService.method.inferStream,
      context.signal,
      this.#timeoutMs(context),
      metadataOf(context.requestHeader),
      createAsyncIterable([request]),
      contextValuesOf(context),
    );
    begin(context, response, response.source);
    yield* response.message;
    append(context.responseTrailer, response.trailer);
  }

  /** Many requests, each with many answers. All of them are for the operator of the first one. */
  async *converse(
    requests: AsyncIterable<ModelInferRequest>,
    context: HandlerContext,
  ): AsyncGenerator<ModelStreamInferResponse> {
    const iterator = requests[Symbol.asyncIterator]();
    const first = await iterator.next();
    if (first.done === true) return;
    const response = await this.#transport(first.value, context).stream(
      GRPCInferenceService.method.modelStreamInfer,
      context.signal,
      this.#timeoutMs(context),
      metadataOf(context.requestHeader),
      rest(first.value, iterator),
      contextValuesOf(context),
    );
    begin(context, response, response.source);
    yield* response.message;
    append(context.responseTrailer, response.trailer);
  }

  /** One request without an answer. */
  async post(request: ModelInferRequest, context: HandlerContext): Promise<MessageInitShape<typeof PostResponseSchema>> {
    await this.#transport(request, context).post(GRPCInferenceService.method.modelInfer, request, {
      signal: context.signal,
      timeoutMs: context.timeoutMs(),
      header: metadataOf(context.requestHeader),
      contextValues: contextValuesOf(context),
    });
    return {};
  }

  #transport({ modelName, modelVersion }: ModelInferRequest, { requestHeader }: HandlerContext): BusTransport {
    const { mode, instance, priority } = routeOf(requestHeader);
    const key = JSON.stringify([modelName, modelVersion, mode, instance, priority]);
    let transport = this.#transports.get(key);
    if (transport === undefined) {
      const version = modelVersion === "" ? undefined : modelVersion;
      const route = operatorRoute(this.#caller.subjects, modelName, { version, mode, instance, priority });
      transport = new BusTransport({ caller: this.#caller, route, codecs: inferCodecs });
      if (this.#transports.size >= MAX_TRANSPORTS) this.#transports.delete(this.#transports.keys().next().value as string);
      this.#transports.set(key, transport);
    }
    return transport;
  }

  #timeoutMs(context: HandlerContext): number {
    // Zero would be no deadline at all.
    return Math.max(1, Math.min(context.timeoutMs() ?? this.#maxCallMs, this.#maxCallMs));
  }
}

function contextValuesOf({ requestHeader }: HandlerContext): ContextValues {
  return createContextValues().set(busCallOptions, callOptionsOf(requestHeader));
}

function begin({ responseHeader }: HandlerContext, { header }: Answered, source: AnswerSource): void {
  append(responseHeader, header);
  setSource(responseHeader, source);
}

function append(to: Headers, from: Headers): void {
  metadataOf(from).forEach((value, name) => to.append(name, value));
}

/** The first message and those that follow it. No generator: who lets it go early reaches its source at once. */
function rest(
  first: ModelInferRequest,
  iterator: AsyncIterator<ModelInferRequest>,
): AsyncIterable<ModelInferRequest> {
  let begun = false;
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        if (!begun) {
          begun = true;
          return { done: false, value: first };
        }
        const next = await iterator.next();
        if (next.done !== true && next.value.modelName !== first.modelName) {
          throw new ConnectError(
            `Cannot stream to operator "${first.modelName}": each request of a stream must be for it, got "${next.value.modelName}"`,
            Code.InvalidArgument,
          );
        }
        return next;
      },
      async return() {
        await iterator.return?.();
        return { done: true, value: undefined };
      },
    }),
  };
}
