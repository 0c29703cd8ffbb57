import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { ModelInferRequest } from "../../gen/inference/grpc_service_pb.ts";
import type { Logger } from "../bus/logger.ts";
import type { Client } from "../client/client.ts";
import type { HandleOptions, OperatorHandle } from "../client/operator-handle.ts";
import type { InferInputs, InferOutputs } from "../client/values.ts";
import type { RemoteTensor } from "../data/remote-tensor.ts";
import type { Events } from "../events/events.ts";
import { fault } from "../rpc/error.ts";
import { type CallInfo, callInfoOf } from "../rpc/delivery.ts";
import type { DispatchMode } from "../rpc/route.ts";
import type { RequestTrace } from "../telemetry/observer.ts";
import { parseTraceparent, TRACE_HEADERS } from "../telemetry/trace-context.ts";
import type { InferParameters, Tensor } from "../tensor/mod.ts";
import { type DelegateOptions, delegateRequest } from "./delegate.ts";
import { allocateTensor, type SizedDType, type TensorHome } from "./tensor-home.ts";

/** What `execute` returns after it handed its request on: the other operator answers the caller. */
export class Delegation {
  /** Who answers now. */
  readonly operator: string;

  /** @internal */
  constructor(operator: string) {
    this.operator = operator;
  }
}

/** A logger whose records carry some fields. */
function withFields(logger: Logger, common: Record<string, unknown>): Logger {
  return {
    debug: (message, fields) => logger.debug(message, { ...common, ...fields }),
    info: (message, fields) => logger.info(message, { ...common, ...fields }),
    warn: (message, fields) => logger.warn(message, { ...common, ...fields }),
    error: (message, fields) => logger.error(message, { ...common, ...fields }),
  };
}

/** What `execute` may know of its request, and do for it. */
export class OperatorContext {
  /** Unique to this call; the same at every attempt. */
  readonly callId: string;
  /** Which execution of the request this is, from 1: more when an earlier worker died with it. */
  readonly attempt: number;
  /** Parameters to answer with, beside the outputs. */
  readonly responseParameters: InferParameters = {};
  readonly #handler: HandlerContext;
  readonly #request: ModelInferRequest;
  readonly #info: CallInfo;
  readonly #client: Client;
  readonly #workerLogger: Logger;
  #logger: Logger | undefined;
  readonly #home: TensorHome | undefined;
  #remote: Set<RemoteTensor> | undefined;
  #borrowed: RemoteTensor[] | undefined;
  #allocated: Uint8Array[] | undefined;
  readonly #trace: RequestTrace | undefined;

  /** @internal */
  constructor(
    client: Client,
    handler: HandlerContext,
    request: ModelInferRequest,
    logger: Logger,
    trace: RequestTrace | undefined,
    home: TensorHome | undefined,
  ) {
    this.#client = client;
    this.#handler = handler;
    this.#request = request;
    this.#info = callInfoOf(handler) as CallInfo;
    this.callId = this.#info.frame.call;
    this.attempt = this.#info.frame.base + this.#info.delivery.attempt;
    this.#workerLogger = logger;
    this.#trace = trace;
    this.#home = home;
  }

  /** The user's own id for the request, so that their logs and these can be laid side by side; {@linkcode callId} where none was given. */
  get requestId(): string {
    return this.#request.id || this.callId;
  }

  /** The trace that the request belongs to, 32 hexadecimal digits; `undefined` where the caller has sent none and nothing is traced. */
  get traceId(): string | undefined {
    return this.#trace?.traceId ?? parseTraceparent(this.requestHeader.get("traceparent"))?.traceId;
  }

  /** Where log records go; they carry `requestId`, `callId`, `operator`, `attempt` and, where there is one, `traceId`. */
  get logger(): Logger {
    return this.#logger ??= withFields(this.#workerLogger, this.#facts());
  }

  /**
   * How the request came here.
   *
   * @internal
   */
  get mode(): DispatchMode {
    return this.#info.delivery.mode;
  }

  /** Fires when the caller cancels or is gone, when the deadline passes, and when the request has ended. */
  get signal(): AbortSignal {
    return this.#handler.signal;
  }

  /** When the caller stops waiting; `undefined` when it waits for ever. */
  get deadline(): Date | undefined {
    const left = this.#handler.timeoutMs();
    return left === undefined ? undefined : new Date(Date.now() + left);
  }

  /** Milliseconds until the caller stops waiting. */
  get remainingMs(): number {
    return this.#handler.timeoutMs() ?? Infinity;
  }

  /** The user's parameters, in their exact types; the same as the request's. */
  parameters: Readonly<InferParameters> = {};

  /** Metadata that came with the request. */
  get requestHeader(): Headers {
    return this.#handler.requestHeader;
  }

  /** Tells others what happened; the events are from this instance. A subscription outlives the request unless it gets its signal. */
  get events(): Events {
    return this.#client.events;
  }

  /**
   * A handle to call another operator with: it ends with this request, its deadline is what remains of this request's, and a
   * trace context is passed on. Remote tensors that it answers and that `execute` does not return are released at the end.
   */
  call<I extends InferInputs = InferInputs, O = InferOutputs>(name: string, options: HandleOptions = {}): OperatorHandle<I, O> {
    const signal = options.signal === undefined ? this.signal : AbortSignal.any([this.signal, options.signal]);
    const timeoutMs = Math.min(options.timeoutMs ?? 60_000, Math.max(1, this.remainingMs));
    const linked = { ...options, signal, timeoutMs, headers: this.#traceHeaders(options.headers) };
    return this.#client.linkedOperator<I, O>(name, linked, (tensor) => {
      (this.#remote ??= new Set()).add(tensor);
      this.borrow(tensor);
    });
  }

  /**
   * A tensor to fill and to return as an output. Where the worker has a sidecar, its memory is the node's: returned as it is, it is
   * not copied. What it holds at first is not said. Returned, it is the caller's, and not returned, it goes when the request ends: do not
   * use it after that.
   *
   * @throws {ConnectError} `resource_exhausted` when there is no room within 5 s, `canceled` with the request, `invalid_argument` for a bad
   * shape and for BYTES, whose size does not follow from the shape
   */
  async allocate<D extends SizedDType>(dtype: D, shape: readonly number[]): Promise<Tensor<D>> {
    const tensor = await allocateTensor(this.#home, dtype, shape, { signal: this.signal });
    if (this.#home !== undefined) (this.#allocated ??= []).push(tensor.bytes);
    return tensor;
  }

  /**
   * Hands this request on, as it came: the other operator answers the caller directly. Return what this resolves with.
   *
   * @throws {ConnectError} `unavailable` when the other operator's queue is not to be reached, `failed_precondition` when the caller
   * streams its requests to this instance; nothing was handed on then
   */
  async delegate(name: string, options: DelegateOptions = {}): Promise<Delegation> {
    if (this.#info.streamed) {
      const text =
        `Cannot delegate to operator "${name}": the request must stand alone, this one is a part of its caller's stream`;
      throw new ConnectError(text, Code.FailedPrecondition);
    }
    const header = this.#trace === undefined ? this.requestHeader : withTrace(this.requestHeader, this.#trace.headers);
    await delegateRequest(this.#client, this.#info, this.#request, header, name, this.remainingMs, options);
    return new Delegation(name);
  }

  /**
   * Inputs that are this request's alone: they are given back once it is acknowledged.
   *
   * @internal
   */
  consumes(tensor: RemoteTensor): void {
    this.#info.whenConsumed(() => tensor.consumed());
  }

  /**
   * What is answered is the caller's from now on.
   *
   * @internal
   */
  keep(outputs: Readonly<Record<string, unknown>>): void {
    if (this.#remote === undefined) return;
    for (const name in outputs) this.#remote.delete(outputs[name] as RemoteTensor);
  }

  /**
   * Memory that is lent for what is fetched of a tensor goes back when the request ends.
   *
   * @internal
   */
  borrow(tensor: RemoteTensor): void {
    if (this.#home !== undefined) (this.#borrowed ??= []).push(tensor);
  }

  /**
   * What was computed from memory that was lent counts only if that was kept until now.
   *
   * @throws {ConnectError} `unavailable` when it was not
   * @internal
   */
  checkBorrowed(): void {
    if (this.#borrowed === undefined || this.#borrowed.every(({ intact }) => intact)) return;
    const text =
      `Cannot answer for operator "${this.#request.modelName}": the sidecar must keep the inputs until the request ends, and ` +
      `its session has ended before`;
    throw fault(text, Code.Unavailable, { reason: "SIDECAR_LOST", operator: this.#request.modelName });
  }

  /**
   * Releases what child calls answered and was not answered in turn, and gives memory back that was lent or allocated.
   *
   * @internal
   */
  releaseRest(): void {
    if (this.#borrowed !== undefined || this.#allocated !== undefined) this.#giveBack(this.#borrowed, this.#allocated);
    if (this.#remote === undefined) return;
    const remote = this.#remote;
    this.#remote = undefined;
    const release = () => {
      for (const tensor of remote) void tensor.release();
    };
    // Releasing gives lent memory back too.
    if (this.#home === undefined) release();
    else setImmediate(release);
  }

  /** Not before the answer is encoded, which may hold views of them. */
  #giveBack(borrowed: readonly RemoteTensor[] = [], allocated: readonly Uint8Array[] = []): void {
    setImmediate(() => {
      for (const tensor of borrowed) tensor.letGo();
      for (const bytes of allocated) this.#home?.discard(bytes);
    });
  }

  #facts(): Record<string, unknown> {
    const { requestId, callId, attempt, traceId } = this;
    const facts: Record<string, unknown> = { requestId, callId, operator: this.#request.modelName, attempt };
    if (traceId !== undefined) facts.traceId = traceId;
    return facts;
  }

  #traceHeaders(given: HeadersInit | undefined): Headers | undefined {
    const header = this.#trace === undefined ? this.requestHeader : new Headers(this.#trace.headers);
    let headers = given === undefined ? undefined : new Headers(given);
    header.forEach((value, name) => {
      // What an own propagator makes is a trace context whatever it is called.
      if (this.#trace === undefined && !TRACE_HEADERS.includes(name) || headers?.has(name) === true) return;
      (headers ??= new Headers()).set(name, value);
    });
    return headers;
  }
}

/** The caller's metadata, with a trace context in place of the caller's own. */
function withTrace(header: Headers, trace: Readonly<Record<string, string>>): Headers {
  const own = new Headers(header);
  for (const name of TRACE_HEADERS) own.delete(name);
  for (const [name, value] of Object.entries(trace)) own.set(name, value);
  return own;
}
