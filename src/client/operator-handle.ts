import { Code, ConnectError, type ContextValues, createContextValues, type Interceptor } from "@connectrpc/connect";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { GRPCInferenceService, type ModelInferRequest } from "../../gen/inference/grpc_service_pb.ts";
import { OperatorService } from "../../gen/waybill/v1/operator_pb.ts";
import { abortError } from "../rpc/error.ts";
import type { DispatchMode } from "../rpc/route.ts";
import { type AnswerSource, busCallOptions } from "../rpc/transport.ts";
import type { DataPlane, PutTensorOptions } from "../data/data-plane.ts";
import type { RemoteTensor } from "../data/remote-tensor.ts";
import {
  encodeInferRequest,
  encodeParameter,
  encodeParameters,
  type InferParameters,
  type WireParameters,
} from "../tensor/mod.ts";
import type { Waybill } from "../waybill/mod.ts";
import type { OperatorFacts } from "./catalog.ts";
import { answerIn, isMany, mapped } from "./conversation.ts";
import { type InputLives, keepAlive, neededMs } from "./input-leases.ts";
import type { Link, OperatorTransport } from "./link.ts";
import { type InlineChoice, inlineToParameter, MESSAGE_ROOM_BYTES, place, type Placed, referenceOf } from "./placement.ts";
import { readResponse } from "./response.ts";
import { checkSchema, type TensorSchema } from "./schema.ts";
import { type AnyTensor, type InferInputs, type InferOutputs, toTensors } from "./values.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { CallFacts, ClientObserver } from "../telemetry/observer.ts";
import { observed, observedStream, type WatchedCall } from "./observed.ts";

/** The request parameter that asks for outputs inline or by reference, all or by name. Reserved: users never see it. */
export const INLINE_PARAMETER = "waybill_inline";
/** The request parameter that carries the correlation id, as KServe names it. */
export const CORRELATION_PARAMETER = "sequence_id";
/** The request parameter that carries the priority, as KServe names it. */
export const PRIORITY_PARAMETER = "priority";

const FIRST_RETRY_MS = 100;

/** How an operator is called; each can be set per handle and per call. */
export interface CallOptions {
  /** Gives up when aborted; the far side is told to stop. */
  signal?: AbortSignal;
  /** How long the call may take, waiting in a queue included. Default 60,000 ms; `Infinity` for no limit. */
  timeoutMs?: number;
  /** How the request gets there. Default `"queue"`: stored until a worker has a free slot. */
  mode?: DispatchMode;
  /** One instance that shall answer; default any. The request then goes there directly. */
  instance?: string;
  /** `true` sends tensors in messages, `false` by reference, inputs and outputs alike, all or by name. Default `"auto"`. */
  inline?: InlineChoice;
  /** Parameters for the operator; exact types arrive. Default none. */
  parameters?: InferParameters;
  /** Metadata for interceptors and handlers, such as a trace context. Default none. */
  headers?: HeadersInit;
  /** The user's own id for the request, echoed in the response. Default `""`. */
  id?: string;
  /** Groups requests that belong together. Default none. */
  correlationId?: string | number;
  /** From 0 (default, lowest) to the operator's declared levels - 1. */
  priority?: number;
  /**
   * A second request of this client with the same key within two minutes is dropped by the broker: `post` succeeds then,
   * `infer` and `stream` fail `already_exists`. Default none.
   */
  idempotencyKey?: string;
  /** Whether running it twice is harmless. Default: what the operator says of itself, else `false`. */
  idempotent?: boolean;
  /** How often an idempotent request is sent again after `unavailable`. Default 2. */
  retries?: number;
}

/** How to make a handle. */
export interface HandleOptions extends CallOptions {
  /** Which version; default the operator's default one. */
  version?: string | number;
  /** What inputs must look like; default what discovery says of the operator. */
  inputs?: TensorSchema;
  /** What outputs must look like; default unchecked, as the worker checks them. */
  outputs?: TensorSchema;
}

/** What a handle needs of its client. */
export interface HandleContext {
  readonly link: Link;
  readonly data: DataPlane;
  readonly interceptors: Interceptor[];
  readonly inlineMaxBytes: number;
  /** What discovery knows. */
  facts(operator: string, version: string | undefined): OperatorFacts | undefined | Promise<OperatorFacts | undefined>;
  /** Keeps a tensor where the operator can fetch it. */
  store(tensor: Tensor, options: PutTensorOptions): Promise<Waybill>;
  /** Lets go of what was stored for one request. */
  discard(stored: readonly Waybill[]): void;
  /** Who watches calls. */
  readonly observers: readonly ClientObserver[];
  /** Told of every remote tensor that is answered. */
  onRemote?: (tensor: RemoteTensor) => void;
}

/** A request to send, and what was stored for it alone. */
interface BuiltRequest {
  readonly request: ModelInferRequest;
  readonly stored: readonly Waybill[];
}

/** An operator to call, wherever it runs. Cheap to make; holds nothing. */
export class OperatorHandle<I extends InferInputs = InferInputs, O = InferOutputs> {
  /** Its name. */
  readonly name: string;
  /** Its version; `undefined` for the default one. */
  readonly version: string | undefined;
  readonly #context: HandleContext;
  readonly #options: HandleOptions;
  readonly #transport: OperatorTransport;
  readonly #inputsLabel: string;
  #ownParameters: WireParameters | undefined;

  /** @internal */
  constructor(context: HandleContext, name: string, options: HandleOptions = {}) {
    this.name = name;
    this.version = options.version === undefined ? undefined : String(options.version);
    this.#context = context;
    this.#options = options;
    this.#inputsLabel = `the inputs of operator "${name}"`;
    this.#transport = this.#transportFor(options);
  }

  /**
   * Calls the operator and waits for its answer.
   *
   * @throws {ConnectError} what the operator threw; `invalid_argument` when inputs do not fit; `not_found` when nobody declared
   * it; `unavailable` when nobody serves it or the outcome is unknown; `resource_exhausted` when its queue is full or the
   * message too large; `deadline_exceeded`; `canceled`
   */
  infer(inputs: I, options?: CallOptions): Promise<O> {
    return this.#context.observers.length === 0
      ? this.#infer(inputs, options)
      : observed(this.#watched("infer", options), (headers) => this.#infer(inputs, { ...options, headers }));
  }

  async #infer(inputs: I, options: CallOptions | undefined): Promise<O> {
    // Awaited only where there is a promise: a turn of the loop saved is time saved on every small call.
    const call = options === undefined ? this.#options : { ...this.#options, ...options };
    const transport = options === undefined ? this.#transport : this.#transportOf(options);
    const facts = this.#context.facts(this.name, this.version);
    const known = facts instanceof Promise ? await facts : facts;
    const built = this.#request(inputs, call, known);
    const { request, stored } = built instanceof Promise ? await built : built;
    const idempotent = call.idempotent ?? known?.idempotent ?? false;
    const timeoutMs = timeoutOf(call);
    const startedAt = idempotent ? performance.now() : 0;
    try {
      for (let retry = 0;; retry++) {
        try {
          const response = await transport.unary(
            GRPCInferenceService.method.modelInfer,
            call.signal,
            retry === 0 || timeoutMs === undefined ? timeoutMs : timeoutMs - (performance.now() - startedAt),
            call.headers,
            request,
            contextValuesOf(retryKey(call.idempotencyKey, retry), idempotent),
          );
          const outputs = this.#read(response.message, response);
          return outputs instanceof Promise ? await outputs : outputs;
        } catch (error) {
          if (!idempotent || retry >= (call.retries ?? 2) || ConnectError.from(error).code !== Code.Unavailable) throw error;
          const pauseMs = FIRST_RETRY_MS * 2 ** retry * (0.5 + Math.random());
          // All tries together have the time of one call.
          if (timeoutMs !== undefined && performance.now() + pauseMs >= startedAt + timeoutMs) throw error;
          await pause(pauseMs, call.signal);
        }
      }
    } finally {
      if (stored.length > 0) this.#context.discard(stored);
    }
  }

  /**
   * Calls the operator and yields each answer as it comes. Leaving the loop early cancels the call. Throws as
   * {@linkcode infer} does, and `data_loss` when a part of the answer is missing.
   *
   * @param inputs one request's; or a stream of them, each answered in its turn: they are asked for only as fast as the operator
   * takes them, and let go when the call ends
   */
  stream(inputs: I | AsyncIterable<I>, options: CallOptions = {}): AsyncGenerator<O, void, undefined> {
    return this.#context.observers.length === 0
      ? this.#stream(inputs, options)
      : observedStream(this.#watched("stream", options), (headers) => this.#stream(inputs, { ...options, headers }));
  }

  async *#stream(inputs: I | AsyncIterable<I>, options: CallOptions): AsyncGenerator<O, void, undefined> {
    if (isMany(inputs)) return yield* this.#converse(inputs, options);
    const call = { ...this.#options, ...options };
    const transport = this.#transportOf(options);
    const facts = await this.#context.facts(this.name, this.version);
    const { request, stored } = await this.#request(inputs, call, facts);
    try {
      const response = await transport.stream(
        OperatorService.method.inferStream,
        call.signal,
        timeoutOf(call),
        call.headers,
        createAsyncIterable([request]),
        contextValuesOf(call.idempotencyKey, false),
      );
      for await (const message of response.message) {
        yield await this.#read(message, response.source);
      }
    } finally {
      if (stored.length > 0) this.#context.discard(stored);
    }
  }

  async *#converse(inputs: AsyncIterable<I>, options: CallOptions): AsyncGenerator<O, void, undefined> {
    const call = { ...this.#options, ...options };
    const transport = this.#transportOf(options);
    const facts = await this.#context.facts(this.name, this.version);
    const kept: Waybill[] = [];
    const requests = mapped(inputs, async (each) => {
      const { request, stored } = await this.#request(each, call, facts);
      kept.push(...stored);
      return request;
    });
    try {
      const response = await transport.stream(
        GRPCInferenceService.method.modelStreamInfer,
        call.signal,
        timeoutOf(call),
        call.headers,
        requests,
        contextValuesOf(call.idempotencyKey, false),
      );
      for await (const message of response.message) {
        yield await this.#read(answerIn(message, this.name), response.source);
      }
    } finally {
      if (kept.length > 0) this.#context.discard(kept);
    }
  }

  /**
   * Sends a request that nobody answers: resolves once it is stored, or with `mode: "direct"` once an instance took it.
   * What the operator makes of it is not reported here; what is given up goes to the dead letters. There is no deadline
   * unless `timeoutMs` is given for this call.
   */
  post(inputs: I, options: CallOptions = {}): Promise<void> {
    return this.#context.observers.length === 0
      ? this.#post(inputs, options)
      : observed(this.#watched("post", options), (headers) => this.#post(inputs, { ...options, headers }));
  }

  async #post(inputs: I, options: CallOptions): Promise<void> {
    const call = { ...this.#options, ...options };
    const transport = this.#transportOf(options);
    const facts = await this.#context.facts(this.name, this.version);
    // Nobody is there to give back what was stored for it: who executes it does.
    const { request, stored } = await this.#request(inputs, call, facts, { timeoutMs: options.timeoutMs, once: true });
    const contextValues = contextValuesOf(call.idempotencyKey, false);
    try {
      const taken = await transport.post(GRPCInferenceService.method.modelInfer, request, {
        signal: call.signal,
        timeoutMs: options.timeoutMs === Infinity ? undefined : options.timeoutMs,
        header: call.headers,
        contextValues,
      });
      if (!taken) this.#context.discard(stored);
    } catch (error) {
      this.#context.discard(stored);
      throw error;
    }
  }

  /** Who watches a call, what they are told of it, and the headers that it would send. */
  #watched(method: CallFacts["method"], options: CallOptions | undefined): WatchedCall {
    const { mode = "queue", instance, id = "", headers } = { ...this.#options, ...options };
    const { name: operator, version } = this;
    const facts = { operator, version, method, mode: instance === undefined ? mode : "direct", requestId: id };
    return { observers: this.#context.observers, facts, headers };
  }

  #request(
    inputs: I,
    call: HandleOptions,
    facts: OperatorFacts | undefined,
    lives: InputLives = call,
  ): BuiltRequest | Promise<BuiltRequest> {
    const tensors = toTensors(this.#inputsLabel, inputs);
    const schema = call.inputs ?? facts?.inputs;
    const checked = schema === undefined ? undefined : checkSchema(this.#inputsLabel, schema, tensors);
    return checked === undefined ? this.#place(tensors, call, lives) : checked.then(() => this.#place(tensors, call, lives));
  }

  #place(
    tensors: Record<string, AnyTensor>,
    call: HandleOptions,
    lives: InputLives,
  ): BuiltRequest | Promise<BuiltRequest> {
    const { link, inlineMaxBytes } = this.#context;
    const messageMaxBytes = link.maxMessageBytes - MESSAGE_ROOM_BYTES;
    const placing = place(tensors, {
      inline: call.inline ?? "auto",
      inlineMaxBytes: Math.min(inlineMaxBytes, messageMaxBytes),
      messageMaxBytes,
      store: (tensor) => {
        const { once } = lives;
        return this.#context.store(tensor, { leaseMs: neededMs(lives), once, signal: call.signal, timeoutMs: timeoutOf(call) });
      },
      forward: async (tensor) => {
        await keepAlive(tensor, neededMs(lives), call.signal);
        return referenceOf(await tensor.descriptorForForwarding());
      },
    });
    return placing instanceof Promise ? placing.then((placed) => this.#build(placed, call)) : this.#build(placing, call);
  }

  #build({ entries, stored }: Placed, call: HandleOptions): BuiltRequest {
    const request = encodeInferRequest({
      modelName: this.name,
      modelVersion: this.version,
      id: call.id,
      parameters: call === this.#options ? this.#ownParameters ??= this.#parameters(call) : this.#parameters(call),
      inputs: entries,
    });
    return { request, stored };
  }

  #parameters(call: HandleOptions): WireParameters | undefined {
    const { parameters, correlationId, priority } = call;
    const inline = inlineToParameter(call.inline);
    if (parameters === undefined && inline === undefined && correlationId === undefined && !priority) return undefined;
    const wire = encodeParameters(parameters ?? {});
    if (inline !== undefined) wire[INLINE_PARAMETER] = encodeParameter(INLINE_PARAMETER, inline);
    if (correlationId !== undefined) wire[CORRELATION_PARAMETER] = encodeParameter(CORRELATION_PARAMETER, correlationId);
    if (priority) wire[PRIORITY_PARAMETER] = encodeParameter(PRIORITY_PARAMETER, BigInt(priority));
    return wire;
  }

  #read(message: Parameters<typeof readResponse>[1], from: AnswerSource): O | Promise<O> {
    const outputs = readResponse<O>(this.#context.data, message, from, this.#context.onRemote);
    if (this.#options.outputs === undefined) return outputs;
    const label = `the outputs of operator "${this.name}"`;
    const checked = checkSchema(label, this.#options.outputs, outputs as Record<string, AnyTensor>);
    return checked === undefined ? outputs : checked.then(() => outputs);
  }

  #transportOf(options: CallOptions): OperatorTransport {
    if (options.mode === undefined && options.instance === undefined && options.priority === undefined) return this.#transport;
    return this.#transportFor({ ...this.#options, ...options });
  }

  #transportFor({ mode, instance, priority }: HandleOptions): OperatorTransport {
    if (priority !== undefined && !(Number.isInteger(priority) && priority >= 0 && priority < 256)) {
      throw new ConnectError(
        `Cannot call operator "${this.name}": the priority must be an integer from 0 to 255, got ${priority}`,
        Code.InvalidArgument,
      );
    }
    const { link, interceptors } = this.#context;
    return link.operator(this.name, { version: this.version, mode, instance, priority }, interceptors);
  }
}

/** None for calls that say nothing beyond the defaults. */
function contextValuesOf(idempotencyKey: string | undefined, idempotent: boolean): ContextValues | undefined {
  if (idempotencyKey === undefined && !idempotent) return undefined;
  return createContextValues().set(busCallOptions, { idempotencyKey, idempotent });
}

function timeoutOf({ timeoutMs = 60_000 }: CallOptions): number | undefined {
  if (!(timeoutMs > 0)) {
    throw new ConnectError(`Cannot call: timeoutMs must be positive, got ${timeoutMs}`, Code.InvalidArgument);
  }
  return timeoutMs === Infinity ? undefined : timeoutMs;
}

/** The broker would drop what is tried again with the same key, though it may never have been executed. */
function retryKey(key: string | undefined, retry: number): string | undefined {
  return key === undefined || retry === 0 ? key : `${key}.${retry}`;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal));
    const onAbort = () => {
      clearTimeout(timer);
      reject(abortError(signal as AbortSignal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
