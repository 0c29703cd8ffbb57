import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextValues,
  type HandlerContext,
  type StreamResponse,
} from "@connectrpc/connect";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import {
  GRPCInferenceService,
  type ModelInferRequest,
  type ModelInferResponse,
  type ModelStreamInferResponse,
} from "../../../gen/inference/grpc_service_pb.ts";
import { OperatorService, type PostResponseSchema } from "../../../gen/waybill/v1/operator_pb.ts";
import { callOptionsOf, metadataOf, operatorOf, routeOf, setSource } from "../../client/to-node/headers.ts";
import type { Caller } from "../../rpc/caller.ts";
import { operatorRoute } from "../../rpc/route.ts";
import { type AnswerSource, busCallOptions, BusTransport, type StreamSource } from "../../rpc/transport.ts";
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
    const method = GRPCInferenceService.method.modelInfer;
    try {
      const transport = this.#transport(request, context);
      const response = await transport.unary(method, ...this.#common(context), request, contextValuesOf(context));
      begin(context, response, response);
      append(context.responseTrailer, response.trailer);
      return response.message;
    } catch (error) {
      throw passedOn(error);
    }
  }

  /** One request, many answers. */
  stream(request: ModelInferRequest, context: HandlerContext): AsyncGenerator<ModelInferResponse> {
    const method = OperatorService.method.inferStream;
    return this.#answers(context, () => {
      const requests = createAsyncIterable([request]);
      return this.#transport(request, context).stream(method, ...this.#common(context), requests, contextValuesOf(context));
    });
  }

  /** Many requests, each with many answers. All of them are for the operator that the headers name, else for that of the first one. */
  converse(
    requests: AsyncIterable<ModelInferRequest>,
    context: HandlerContext,
  ): AsyncGenerator<ModelStreamInferResponse> {
    const method = GRPCInferenceService.method.modelStreamInfer;
    return this.#answers(context, async () => {
      const iterator = requests[Symbol.asyncIterator]();
      const told = operatorOf(context.requestHeader);
      const first = told === undefined ? await iterator.next() : undefined;
      const target = told ?? first?.value as ModelInferRequest | undefined;
      if (target === undefined) return undefined;
      const same = sameOperator(target.modelName, first, iterator);
      return this.#transport(target, context).stream(method, ...this.#common(context), same, contextValuesOf(context));
    });
  }

  /** One request without an answer. */
  async post(request: ModelInferRequest, context: HandlerContext): Promise<MessageInitShape<typeof PostResponseSchema>> {
    const { signal } = context;
    const options = { signal, timeoutMs: context.timeoutMs(), header: metadataOf(context.requestHeader) };
    try {
      await this.#transport(request, context).post(GRPCInferenceService.method.modelInfer, request, {
        ...options,
        contextValues: contextValuesOf(context),
      });
      return {};
    } catch (error) {
      throw passedOn(error);
    }
  }

  async *#answers<I extends DescMessage, O extends DescMessage>(
    context: HandlerContext,
    open: () => Promise<(StreamResponse<I, O> & StreamSource) | undefined>,
  ): AsyncGenerator<MessageShape<O>> {
    try {
      const response = await open();
      if (response === undefined) return;
      begin(context, response, response.source);
      yield* response.message;
      append(context.responseTrailer, response.trailer);
    } catch (error) {
      throw passedOn(error);
    }
  }

  #transport(
    { modelName, modelVersion }: Pick<ModelInferRequest, "modelName" | "modelVersion">,
    { requestHeader }: HandlerContext,
  ): BusTransport {
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

  #common(context: HandlerContext): [signal: AbortSignal, timeoutMs: number, header: Headers] {
    // Zero would be no deadline at all.
    const timeoutMs = Math.max(1, Math.min(context.timeoutMs() ?? this.#maxCallMs, this.#maxCallMs));
    return [context.signal, timeoutMs, metadataOf(context.requestHeader)];
  }
}

/** An error as if it were this node's own: Connect leaves out the metadata of those that came over a wire. */
function passedOn(error: unknown): unknown {
  if (!(error instanceof ConnectError)) return error;
  const { rawMessage, code, metadata, details, cause } = error;
  const own = new ConnectError(rawMessage, code, metadataOf(metadata), undefined, cause);
  own.details = details;
  return own;
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

/** Requests that are all for one operator. No generator: who lets it go early reaches its source at once. */
function sameOperator(
  operator: string,
  first: IteratorResult<ModelInferRequest> | undefined,
  iterator: AsyncIterator<ModelInferRequest>,
): AsyncIterable<ModelInferRequest> {
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const next = first ?? await iterator.next();
        first = undefined;
        if (next.done !== true && next.value.modelName !== operator) {
          throw new ConnectError(
            `Cannot stream to operator "${operator}": each request of a stream must be for it, got "${next.value.modelName}"`,
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
