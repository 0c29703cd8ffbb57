import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, Interceptor, StreamResponse, Transport, UnaryResponse } from "@connectrpc/connect";
import type { Bus } from "../bus/bus.ts";
import type { NodeClients } from "../data/node-clients.ts";
import type { Discovery } from "../discovery/discovery.ts";
import type { Caller } from "../rpc/caller.ts";
import type { OperatorRouteOptions } from "../rpc/route.ts";
import type { AnswerSource, StreamSource } from "../rpc/transport.ts";

/** Carries the calls of one operator, and says who answered. */
export interface OperatorTransport extends Transport {
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O> & AnswerSource>;
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O> & StreamSource>;
  /**
   * Sends a request that nobody answers. Resolves once it is stored, or accepted by an instance; with `false` when it is known to be
   * dropped, as one with the same key was sent before.
   */
  post<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    options?: { signal?: AbortSignal; timeoutMs?: number; header?: HeadersInit; contextValues?: ContextValues },
  ): Promise<boolean>;
}

/** What a client stands on: a connection to a broker, or to one node. */
export interface Link {
  /**
   * The connection to a broker.
   *
   * @throws {ConnectError} `failed_precondition` where there is none; so does `caller`
   */
  readonly bus: Bus;
  /** The calling half of that connection. */
  readonly caller: Caller;
  /** The deployment's namespace. */
  readonly namespace: string;
  /** Who serves what. */
  readonly discovery: Discovery;
  /** How nodes' services are reached. */
  readonly nodes: NodeClients;
  /** Most that a message may take, in bytes. */
  readonly maxMessageBytes: number;
  /** How an operator is called. Sends nothing. */
  operator(name: string, options: OperatorRouteOptions, interceptors: Interceptor[]): OperatorTransport;
  /** A node that takes this client's tensors and is not among those that have refused; `undefined` when there is none. */
  uploadNode(options: { signal?: AbortSignal; timeoutMs?: number }, refused: readonly string[]): Promise<string | undefined>;
  /** Ends open calls with `canceled`, and takes no more. */
  end(): Promise<void>;
  /** Lets go of the connection. */
  close(): Promise<void>;
}
