import { Code, ConnectError } from "@connectrpc/connect";
import { isStandardSchema, type TensorSchema } from "../client/schema.ts";
import type { AnyTensor, TensorValue } from "../client/values.ts";
import type { InlineChoice } from "../client/placement.ts";
import { MIN_ACK_WAIT_MS } from "../rpc/beats.ts";
import { escapeName } from "../rpc/names.ts";
import { checkSpecs, type DType, type InferParameters, type Tensor, type TensorSpecs } from "../tensor/mod.ts";
import type { Delegation, OperatorContext } from "./context.ts";

/** The tensors that a schema describes, by name: typed where it is given as specs. */
export type TensorsOf<S extends TensorSchema | undefined, Remote extends boolean = false> = S extends TensorSpecs ? {
    readonly [K in keyof S]: S[K]["optional"] extends true ? TensorOf<S[K]["dtype"], Remote> | undefined
      : TensorOf<S[K]["dtype"], Remote>;
  }
  : Readonly<Record<string, TensorOf<DType, Remote>>>;

/** A tensor that `execute` gets: one that may be somewhere else where inputs are not fetched. */
export type TensorOf<D extends DType, Remote extends boolean> = Remote extends true ? AnyTensor<D> : Tensor<D>;

/** Inputs that are not fetched may be somewhere else. */
export type RemoteWhere<Fetch extends boolean> = Fetch extends true ? false : true;

/** What an operator answers with: outputs by name. */
export type OutputsOf<S extends TensorSchema | undefined> = S extends TensorSpecs ?
    & { readonly [K in keyof S as S[K]["optional"] extends true ? never : K]: TensorValue }
    & Readonly<Record<string, TensorValue | undefined>>
  : Readonly<Record<string, TensorValue | undefined>>;

/** A request as an operator sees it. */
export interface OperatorRequest<Inputs = Readonly<Record<string, Tensor>>> {
  /** Inputs by name. */
  readonly inputs: Inputs;
  /** The user's parameters, in their exact types. */
  readonly parameters: Readonly<InferParameters>;
  /** The user's own id; `""` when none was given. */
  readonly id: string;
  /** Groups requests that belong together. */
  readonly correlationId: string | number | undefined;
  /** From 0, the lowest. */
  readonly priority: number;
}

/** One answer: outputs by name, or the word that another operator answers. */
export type Answer<O extends TensorSchema | undefined> = OutputsOf<O> | Delegation;

/** What `execute` may give back: outputs, a delegation, or many outputs one after the other. */
export type ExecuteResult<O extends TensorSchema | undefined> =
  | Answer<O>
  | Promise<Answer<O>>
  | AsyncIterable<OutputsOf<O>>;

/** What every operator says of itself. */
export interface OperatorCommon<
  I extends TensorSchema | undefined,
  O extends TensorSchema | undefined,
  Fetch extends boolean,
> {
  /** Its name, of any characters; shared by all workers that serve it. */
  name: string;
  /** Its version. Default 1; a request without a version goes to the highest one. */
  version?: number | string;
  /** What it takes, checked before `execute`: specs by tensor name, or a Standard Schema. Default unchecked. */
  inputs?: I;
  /** What it gives, checked before it is answered. Default unchecked. */
  outputs?: O;
  /** Requests that run at once in one worker, however they came. Default 5, with batches twice their size. */
  maxInflight?: number;
  /** Whether running a request twice is harmless: clients may then repeat it after `unavailable`. Default `false`. */
  idempotent?: boolean;
  /** Deliveries of a queued request before it is given up. Default 3. */
  maxAttempts?: number;
  /**
   * How long a worker may be silent about a request, as when it was killed, until another one gets it. Workers give a sign of life four
   * times as often, at most each second. From 500. Default: the worker's, 5,000 ms.
   */
  ackWaitMs?: number;
  /** Priority levels of its queue. Default 1: none. */
  priorities?: number;
  /** Where its queue is kept: `"memory"` outlives workers, `"file"` also the broker. Default `"memory"`. */
  storage?: "memory" | "file";
  /** Most requests in its queue; more are refused. Default 100,000. */
  maxQueuedMessages?: number;
  /** Most bytes in its queue. Default 64 MiB, which the broker sets aside. */
  maxQueuedBytes?: number;
  /** How long a request may stay in its queue. Default 24 h. */
  maxQueuedAgeMs?: number;
  /** How outputs travel unless the request says otherwise. Default `"auto"`: inline up to 64 KiB each. */
  inline?: InlineChoice;
  /** Whether inputs by reference are fetched before `execute`. `false` hands them on as they are. Default `true`. */
  fetchInputs?: Fetch;
}

/** An operator that takes one request at a time. */
export interface OperatorOptions<
  I extends TensorSchema | undefined = undefined,
  O extends TensorSchema | undefined = undefined,
  Fetch extends boolean = true,
> extends OperatorCommon<I, O, Fetch> {
  /** One at a time: see {@linkcode BatchOperatorOptions} for several. */
  batch?: undefined;
  /** Does the work: returns outputs, or, as an async generator, yields many. */
  execute(request: OperatorRequest<TensorsOf<I, RemoteWhere<Fetch>>>, context: OperatorContext): ExecuteResult<O>;
}

/** An operator that takes several requests at once. */
export interface BatchOperatorOptions<
  I extends TensorSchema | undefined = undefined,
  O extends TensorSchema | undefined = undefined,
  Fetch extends boolean = true,
> extends OperatorCommon<I, O, Fetch> {
  /** Waits up to `maxDelayMs` (default 0: only for what is there) for up to `maxSize` requests. */
  batch: { maxSize: number; maxDelayMs?: number };
  /** Does the work: one outputs record per request, in their order; an `Error` in its place fails that request alone. */
  execute(
    requests: readonly OperatorRequest<TensorsOf<I, RemoteWhere<Fetch>>>[],
    contexts: readonly OperatorContext[],
  ): readonly (OutputsOf<O> | Error)[] | Promise<readonly (OutputsOf<O> | Error)[]>;
}

/** An operator, ready to be served: what {@linkcode operator} makes. What its options left out is decided. */
export interface Operator {
  /** Its name. */
  readonly name: string;
  /** Its version, as text. */
  readonly version: string;
  /** What it takes; `undefined` for anything. */
  readonly inputs: TensorSchema | undefined;
  /** What it gives; `undefined` for anything. */
  readonly outputs: TensorSchema | undefined;
  /** Requests that run at once in one worker. */
  readonly maxInflight: number;
  /** Whether running a request twice is harmless. */
  readonly idempotent: boolean;
  /** Deliveries of a queued request before it is given up. */
  readonly maxAttempts: number;
  /** How long a worker may be silent about a request; `undefined` for what the worker says. */
  readonly ackWaitMs: number | undefined;
  /** Priority levels of its queue. */
  readonly priorities: number;
  /** Where its queue is kept. */
  readonly storage: "memory" | "file";
  /** Most requests in its queue. */
  readonly maxQueuedMessages: number;
  /** Most bytes in its queue. */
  readonly maxQueuedBytes: number;
  /** How long a request may stay in its queue. */
  readonly maxQueuedAgeMs: number;
  /** How outputs travel unless the request says otherwise. */
  readonly inline: InlineChoice;
  /** Whether inputs by reference are fetched before `execute`. */
  readonly fetchInputs: boolean;
  /** How requests are put together; `undefined` for one at a time. */
  readonly batch: { readonly maxSize: number; readonly maxDelayMs: number } | undefined;
  /** Whether `execute` yields many answers. */
  readonly streaming: boolean;
  /** Does the work; called by the worker alone. */
  readonly execute: (requests: never, contexts: never) => unknown;
}

/**
 * Defines an operator.
 *
 * @throws {ConnectError} `invalid_argument` naming the option, the value seen and the value wanted
 *
 * @example
 * ```ts
 * const double = operator({
 *   name: "double",
 *   inputs: { x: { dtype: "FP32", shape: [-1] } },
 *   outputs: { y: { dtype: "FP32", shape: [-1] } },
 *   execute: ({ inputs: { x } }) => ({ y: x.data.map((value) => value * 2) }),
 * });
 * ```
 */
export function operator<
  const I extends TensorSchema | undefined = undefined,
  const O extends TensorSchema | undefined = undefined,
  Fetch extends boolean = true,
>(options: OperatorOptions<I, O, Fetch>): Operator;
/** Defines an operator that takes several requests at once. */
export function operator<
  const I extends TensorSchema | undefined = undefined,
  const O extends TensorSchema | undefined = undefined,
  Fetch extends boolean = true,
>(options: BatchOperatorOptions<I, O, Fetch>): Operator;
export function operator(options: OperatorOptions | BatchOperatorOptions): Operator {
  const { name, version = 1, inputs, outputs, batch, execute } = options;
  if (typeof name !== "string") throw refusal("an operator", "name", "a string", name);
  escapeName(name);
  const label = `operator "${name}"`;
  escapeName(String(version));
  if (typeof execute !== "function") throw refusal(label, "execute", "a function", execute);
  for (const [which, schema] of [["inputs", inputs], ["outputs", outputs]] as const) {
    if (schema !== undefined && !isStandardSchema(schema)) checkSpecs(`the ${which} of ${label}`, schema);
  }
  const maxSize = batch?.maxSize ?? 1;
  const whole = (option: string, value: number, min: number): number => {
    if (!Number.isSafeInteger(value) || value < min) throw refusal(label, option, `an integer from ${min}`, value);
    return value;
  };
  whole("batch.maxSize", maxSize, 1);
  const maxInflight = whole("maxInflight", options.maxInflight ?? Math.max(5, batch === undefined ? 0 : 2 * maxSize), 1);
  if (maxSize > maxInflight) throw refusal(label, "maxInflight", `at least batch.maxSize, ${maxSize}`, maxInflight);
  return Object.freeze({
    name,
    version: String(version),
    inputs,
    outputs,
    maxInflight,
    idempotent: options.idempotent ?? false,
    maxAttempts: whole("maxAttempts", options.maxAttempts ?? 3, 1),
    ackWaitMs: options.ackWaitMs === undefined ? undefined : whole("ackWaitMs", options.ackWaitMs, MIN_ACK_WAIT_MS),
    priorities: whole("priorities", options.priorities ?? 1, 1),
    storage: options.storage ?? "memory",
    maxQueuedMessages: whole("maxQueuedMessages", options.maxQueuedMessages ?? 100_000, 1),
    maxQueuedBytes: whole("maxQueuedBytes", options.maxQueuedBytes ?? 64 * 1024 * 1024, 1),
    maxQueuedAgeMs: whole("maxQueuedAgeMs", options.maxQueuedAgeMs ?? 24 * 3600 * 1000, 1),
    inline: options.inline ?? "auto",
    fetchInputs: options.fetchInputs ?? true,
    batch: batch === undefined ? undefined : { maxSize, maxDelayMs: whole("batch.maxDelayMs", batch.maxDelayMs ?? 0, 0) },
    streaming: Object.prototype.toString.call(execute) === "[object AsyncGeneratorFunction]",
    execute,
  }) as Operator;
}

function refusal(label: string, option: string, wanted: string, seen: unknown): ConnectError {
  return new ConnectError(`Cannot define ${label}: ${option} must be ${wanted}, got ${String(seen)}`, Code.InvalidArgument);
}
