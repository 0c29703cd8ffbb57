import { Code, ConnectError, createServiceImplSpec, type HandlerContext } from "@connectrpc/connect";
import { GRPCInferenceService, type ModelInferRequest, type ModelInferResponse } from "../../gen/inference/grpc_service_pb.ts";
import { OperatorService } from "../../gen/waybill/v1/operator_pb.ts";
import type { Logger } from "../bus/logger.ts";
import type { Client } from "../client/client.ts";
import { CORRELATION_PARAMETER, INLINE_PARAMETER, PRIORITY_PARAMETER } from "../client/operator-handle.ts";
import { inlineFromParameter, MESSAGE_ROOM_BYTES, place, type Placed, referenceOf } from "../client/placement.ts";
import { checkSchema } from "../client/schema.ts";
import { type AnyTensor, type InferInputs, toTensors } from "../client/values.ts";
import { RemoteTensor } from "../data/remote-tensor.ts";
import type { TensorStore } from "../data/store.ts";
import { type Methods, methodsOf } from "../rpc/call-server.ts";
import { fault } from "../rpc/error.ts";
import type { RequestTrace, Tracing } from "../telemetry/observer.ts";
import { codeName } from "../telemetry/outcome.ts";
import {
  decodeInputs,
  decodeParameter,
  decodeParameters,
  encodeInferResponse,
  encodeParameters,
  type InferParameters,
  isEncodedReference,
  type Tensor,
} from "../tensor/mod.ts";
import { waybillFromString } from "../waybill/mod.ts";
import { Batcher } from "./batcher.ts";
import { Delegation, OperatorContext } from "./context.ts";
import type { WorkerMetrics } from "./metrics.ts";
import type { Operator, OperatorRequest } from "./operator.ts";
import { noMetrics, type OperatorMetrics } from "./operator-metrics.ts";
import { streamInfer } from "./stream-infer.ts";
import type { TensorHome } from "./tensor-home.ts";
import { type Executing, traced } from "./traced.ts";

const AUTO_INLINE_MAX_BYTES = 64 * 1024;

/** What an execution needs of its worker. */
export interface ExecutionHost {
  readonly client: Client;
  readonly store: Pick<TensorStore, "put">;
  /** Where outputs are made; `undefined` without a sidecar: on the heap. */
  readonly home: TensorHome | undefined;
  readonly logger: Logger;
  /** `undefined` where nothing is counted. */
  readonly metrics: WorkerMetrics | undefined;
  /** `undefined` where nothing is traced. */
  readonly tracing: Tracing | undefined;
}

type Outputs = InferInputs;
type Request = OperatorRequest<Record<string, AnyTensor>>;
type Execute = (request: Request, context: OperatorContext) => unknown;

/** Serves one operator as KServe's `ModelInfer` and `ModelStreamInfer`, and Waybill's `InferStream`. */
export function operatorMethods(host: ExecutionHost, operator: Operator): Methods {
  const execution = new Execution(host, operator);
  const serving = host.tracing === undefined ? execution : traced(host.tracing, operator, execution);
  return methodsOf(
    createServiceImplSpec<typeof GRPCInferenceService>(GRPCInferenceService, {
      modelInfer: (request: ModelInferRequest, context: HandlerContext) => serving.infer(request, context),
      modelStreamInfer: (requests: AsyncIterable<ModelInferRequest>, context: HandlerContext) =>
        streamInfer(serving, requests, context),
    }),
    createServiceImplSpec<typeof OperatorService>(OperatorService, {
      inferStream: (request: ModelInferRequest, context: HandlerContext) => serving.stream(request, context),
    }),
  );
}

/** Turns requests into calls of `execute`, and what that gives into responses. */
class Execution implements Executing {
  readonly #host: ExecutionHost;
  readonly #operator: Operator;
  readonly #execute: Execute;
  readonly #metrics: OperatorMetrics;
  readonly #measured: boolean;
  readonly #inputsLabel: string;
  readonly #outputsLabel: string;

  constructor(host: ExecutionHost, operator: Operator) {
    this.#host = host;
    this.#operator = operator;
    this.#inputsLabel = `the inputs of operator "${operator.name}"`;
    this.#outputsLabel = `the outputs of operator "${operator.name}"`;
    this.#metrics = host.metrics?.operator(operator.name) ?? noMetrics;
    this.#measured = host.metrics !== undefined;
    const { batch } = operator;
    if (batch === undefined) this.#execute = operator.execute as unknown as Execute;
    else {
      const batcher = new Batcher(batch, operator.name, operator.execute as never);
      this.#execute = (request, context) => batcher.add(request, context);
    }
  }

  async infer(message: ModelInferRequest, handler: HandlerContext, trace?: RequestTrace): Promise<ModelInferResponse> {
    const context = this.#context(message, handler, trace);
    const startedAt = this.#metrics.started();
    let outcome = "ok";
    try {
      const reading = this.#request(message, context);
      const given = this.#execute(reading instanceof Promise ? await reading : reading, context);
      const result = isStream(given) ? await this.#only(given) : given instanceof Promise ? await given : given;
      // Handed on: whoever has it now answers, and what is returned here goes nowhere.
      if (result instanceof Delegation) return encodeInferResponse({ modelName: message.modelName, outputs: [] });
      const answering = this.#answer(message, result, context);
      return answering instanceof Promise ? await answering : answering;
    } catch (error) {
      const failure = this.#failure(error, context);
      outcome = codeName(failure.code);
      throw failure;
    } finally {
      this.#metrics.ended(context.mode, outcome, startedAt);
      context.releaseRest();
    }
  }

  async *stream(message: ModelInferRequest, handler: HandlerContext, trace?: RequestTrace): AsyncGenerator<ModelInferResponse> {
    const context = this.#context(message, handler, trace);
    const startedAt = this.#metrics.started();
    // Where its reader leaves, nothing but `finally` is reached.
    let outcome = "canceled";
    try {
      const given = this.#execute(await this.#request(message, context), context);
      if (isStream(given)) {
        for await (const result of given) yield await this.#answer(message, result, context);
      } else {
        const result = await given;
        if (!(result instanceof Delegation)) yield await this.#answer(message, result, context);
      }
      outcome = "ok";
    } catch (error) {
      const failure = this.#failure(error, context);
      outcome = codeName(failure.code);
      throw failure;
    } finally {
      this.#metrics.ended(context.mode, outcome, startedAt);
      context.releaseRest();
    }
  }

  #context(message: ModelInferRequest, handler: HandlerContext, trace: RequestTrace | undefined): OperatorContext {
    const { name, version } = this.#operator;
    if (message.modelVersion !== "" && message.modelVersion !== version) {
      // Directed to an instance that has others.
      const text =
        `Cannot call operator "${name}": this instance serves its version "${version}", got "${message.modelVersion}"`;
      throw fault(text, Code.NotFound, { reason: "WRONG_VERSION", operator: name });
    }
    const { client, logger, home } = this.#host;
    return new OperatorContext(client, handler, message, logger, trace, home);
  }

  // What follows answers without a promise wherever nothing needs one: each turn of the loop counts on small requests.

  #request(message: ModelInferRequest, context: OperatorContext): Request | Promise<Request> {
    const inputs: Record<string, AnyTensor> = {};
    const remote: string[] = [];
    const wire = decodeInputs(message);
    let inlineBytes = 0;
    for (const name in wire) {
      const tensor = wire[name]!;
      if (!isEncodedReference(tensor)) {
        inputs[name] = tensor;
        inlineBytes += tensor.byteLength;
      } else {
        const opened = this.#host.client.data.open(waybillFromString(tensor.descriptor));
        context.borrow(opened);
        if (opened.waybill.once) context.consumes(opened);
        inputs[name] = opened;
        remote.push(name);
      }
    }
    this.#metrics.moved("in", "inline", inlineBytes);
    const parameters = context.parameters = decodeParameters(message.parameters);
    const request = {
      inputs,
      parameters,
      id: message.id,
      correlationId: reserved(message, CORRELATION_PARAMETER) as string | number | undefined,
      priority: Number(reserved(message, PRIORITY_PARAMETER) ?? 0),
    };
    // Checked by their descriptors first: what does not fit is not worth fetching.
    const { inputs: schema, fetchInputs } = this.#operator;
    const checked = schema === undefined ? undefined : checkSchema(this.#inputsLabel, schema, inputs);
    if (checked === undefined && (remote.length === 0 || !fetchInputs)) return request;
    return (async () => {
      await checked;
      if (fetchInputs) {
        await Promise.all(remote.map(async (name) => inputs[name] = await this.#fetch(inputs[name]!, context.signal)));
      }
      return request;
    })();
  }

  async #fetch(tensor: AnyTensor, signal: AbortSignal): Promise<Tensor> {
    const fetched = await tensor.fetch({ signal });
    if (tensor instanceof RemoteTensor) this.#metrics.moved("in", tensor.way ?? "local", fetched.byteLength);
    return fetched;
  }

  #answer(
    message: ModelInferRequest,
    result: unknown,
    context: OperatorContext,
  ): ModelInferResponse | Promise<ModelInferResponse> {
    context.checkBorrowed();
    const { name, outputs: schema } = this.#operator;
    if (typeof result !== "object" || result === null) {
      const text = `Cannot answer for operator "${name}": execute must give outputs by name, got ${String(result)}`;
      throw new ConnectError(text, Code.Internal);
    }
    try {
      const outputs = toTensors(this.#outputsLabel, result as Outputs);
      context.keep(outputs);
      const checked = schema === undefined ? undefined : checkSchema(this.#outputsLabel, schema, outputs);
      return checked === undefined
        ? this.#response(message, outputs, context)
        : checked.then(() => this.#response(message, outputs, context), blameOperator);
    } catch (error) {
      return blameOperator(error);
    }
  }

  #response(
    message: ModelInferRequest,
    outputs: Record<string, AnyTensor>,
    context: OperatorContext,
  ): ModelInferResponse | Promise<ModelInferResponse> {
    const placing = place(outputs, {
      inline: inlineFromParameter(reserved(message, INLINE_PARAMETER)) ?? this.#operator.inline,
      inlineMaxBytes: AUTO_INLINE_MAX_BYTES,
      messageMaxBytes: this.#host.client.bus.maxPayloadBytes - MESSAGE_ROOM_BYTES,
      store: (tensor) => this.#host.store.put(tensor, { signal: context.signal }),
      // An output is the caller's from now on, with every right that came with it.
      forward: (tensor) => referenceOf(tensor.waybill),
    });
    const encode = ({ entries }: Placed) => {
      if (this.#measured) this.#measure(entries);
      return encodeInferResponse({
        modelName: message.modelName,
        modelVersion: this.#operator.version,
        id: message.id,
        parameters: hasOwn(context.responseParameters) ? encodeParameters(context.responseParameters) : undefined,
        outputs: entries,
      });
    };
    return placing instanceof Promise ? placing.then(encode) : encode(placing);
  }

  #measure(entries: Placed["entries"]): void {
    let inlineBytes = 0;
    for (const [, tensor] of entries) {
      if (!isEncodedReference(tensor)) inlineBytes += tensor.byteLength;
      else this.#metrics.moved("out", "reference", tensor.byteSize);
    }
    this.#metrics.moved("out", "inline", inlineBytes);
  }

  async #only(results: AsyncIterable<unknown>): Promise<unknown> {
    let found: { value: unknown } | undefined;
    for await (const value of results) {
      if (found === undefined) found = { value };
      else {
        throw new ConnectError(
          `Cannot infer with operator "${this.#operator.name}": it answers many times, call it with stream()`,
          Code.FailedPrecondition,
        );
      }
    }
    if (found !== undefined) return found.value;
    throw new ConnectError(`Cannot infer with operator "${this.#operator.name}": it gave no answer`, Code.Internal);
  }

  #failure(error: unknown, context: OperatorContext): ConnectError {
    const { name: operator } = this.#operator;
    if (error instanceof ConnectError) return error;
    if (context.signal.aborted && context.signal.reason instanceof ConnectError) return context.signal.reason;
    const text = error instanceof Error ? error.message : String(error);
    context.logger.error("An operator failed", { error: String(error), stack: (error as Error)?.stack });
    const facts = { reason: "OPERATOR_FAILED", operator, attempt: context.attempt };
    return fault(`Operator "${operator}" failed: ${text}`, Code.Unknown, facts, error);
  }
}

/** Outputs that do not fit are the operator's fault, not its caller's. */
function blameOperator(error: unknown): never {
  const { rawMessage, code } = ConnectError.from(error);
  const blamed = code === Code.InvalidArgument ? Code.Internal : code;
  throw new ConnectError(rawMessage, blamed, undefined, undefined, error);
}

function reserved(message: ModelInferRequest, name: string): ReturnType<typeof decodeParameter> | undefined {
  const wire = message.parameters[name];
  return wire === undefined ? undefined : decodeParameter(name, wire);
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

function hasOwn(parameters: InferParameters): boolean {
  for (const _ in parameters) return true;
  return false;
}
