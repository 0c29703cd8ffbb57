import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  type StreamResponse,
  type Transport,
  type UnaryResponse,
} from "@connectrpc/connect";
import { GRPCInferenceService, type ModelInferRequest } from "../../../gen/inference/grpc_service_pb.ts";
import { OperatorService } from "../../../gen/waybill/v1/operator_pb.ts";
import { MAX_TIMER_MS } from "../../rpc/deadlines.ts";
import type { OperatorRouteOptions } from "../../rpc/route.ts";
import { type AnswerSource, busCallOptions, type StreamSource } from "../../rpc/transport.ts";
import type { OperatorTransport } from "../link.ts";
import { requestHeaders, setOperator, sourceOf } from "./headers.ts";
import { nodeError } from "./node-errors.ts";
import type { OpenCall, OpenCalls } from "./open-calls.ts";
import { Outgoing } from "./outgoing.ts";

/** What is called. */
export interface NodeTransportOptions {
  /** Connect's, to the node. */
  readonly transport: Transport;
  /** Whether callers can stream while they are answered. */
  readonly duplex: boolean;
  readonly calls: OpenCalls;
  /** As messages call it: `operator "encoder"`. */
  readonly label: string;
  /** The operator's name; empty for the node's own services. */
  readonly operator: string;
  /** The node's address, as messages show it. */
  readonly shown: string;
  /** How the node passes requests on. */
  readonly route: OperatorRouteOptions;
}

/** Calls through a node, over any transport of Connect: with the same errors and the same ends as calls over the bus. */
export class NodeTransport implements OperatorTransport {
  readonly #options: NodeTransportOptions;

  constructor(options: NodeTransportOptions) {
    this.#options = options;
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O> & AnswerSource> {
    const { transport, calls } = this.#options;
    const call = calls.begin(signal);
    try {
      const headers = this.#headers(header, contextValues);
      const response = await transport.unary(method, call.signal, timed(timeoutMs), headers, input, contextValues);
      return { ...response, ...sourceOf(response.header) };
    } catch (error) {
      throw this.#error(error, call, timeoutMs);
    } finally {
      call.end();
    }
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O> & StreamSource> {
    const { transport, calls } = this.#options;
    this.#mustStream(method);
    const call = calls.begin(signal);
    const outgoing = new Outgoing(input);
    const end = () => {
      call.end();
      outgoing.stop();
    };
    const errorOf = (error: unknown) =>
      outgoing.failure === undefined ? this.#error(error, call, timeoutMs) : ConnectError.from(outgoing.failure.error);
    try {
      const headers = this.#headers(header, contextValues);
      if (method.methodKind !== "server_streaming") setOperator(headers, this.#options.operator, this.#options.route.version);
      const response = await transport.stream(method, call.signal, timed(timeoutMs), headers, outgoing, contextValues);
      return { ...response, message: messagesOf(response.message, call, errorOf, end), source: sourceOf(response.header) };
    } catch (error) {
      end();
      throw errorOf(error);
    }
  }

  async post<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    options: { signal?: AbortSignal; timeoutMs?: number; header?: HeadersInit; contextValues?: ContextValues } = {},
  ): Promise<boolean> {
    if (method.name !== GRPCInferenceService.method.modelInfer.name) {
      throw new ConnectError(`Cannot post to method "${method.name}": nodes pass on inferences alone`, Code.Unimplemented);
    }
    const { signal, timeoutMs, header, contextValues } = options;
    await this.unary(
      OperatorService.method.post,
      signal,
      timeoutMs,
      header,
      input as unknown as ModelInferRequest,
      contextValues,
    );
    return true;
  }

  #headers(header: HeadersInit | undefined, contextValues: ContextValues | undefined): Headers {
    return requestHeaders(header, this.#options.route, contextValues?.get(busCallOptions) ?? {});
  }

  #error(error: unknown, { signal }: OpenCall, timeoutMs: number | undefined): ConnectError {
    return nodeError(error, { ...this.#options, timeoutMs, signal });
  }

  #mustStream({ methodKind }: DescMethodStreaming): void {
    const { duplex, label } = this.#options;
    if (duplex || methodKind === "server_streaming") return;
    throw new ConnectError(
      `Cannot stream to ${label}: fetch sends no streams, so that this needs Node, Bun or Deno, or a connection to the broker`,
      Code.FailedPrecondition,
    );
  }
}

async function* messagesOf<T>(
  messages: AsyncIterable<T>,
  call: OpenCall,
  errorOf: (error: unknown) => ConnectError,
  end: () => void,
): AsyncGenerator<T> {
  let over = false;
  try {
    yield* messages;
    over = true;
  } catch (error) {
    over = true;
    throw errorOf(error);
  } finally {
    // Who leaves the loop early wants no more of it: Connect alone would go on reading.
    if (!over) call.cancel();
    end();
  }
}

/** As HTTP takes it: whole, and no longer than timers can be. */
function timed(timeoutMs: number | undefined): number | undefined {
  return timeoutMs === undefined || timeoutMs > MAX_TIMER_MS ? undefined : Math.ceil(timeoutMs);
}
