import { Code, ConnectError } from "@connectrpc/connect";
import type { ServedOperator } from "../../../gen/waybill/v1/discovery_pb.ts";
import type { ModelStatistics } from "../../../gen/inference/management_pb.ts";
import type { ModelConfig } from "../../../gen/inference/model_config_pb.ts";
import type { Client } from "../../client/client.ts";
import { factsOf } from "../../client/catalog.ts";
import { type CallOptions, CORRELATION_PARAMETER } from "../../client/operator-handle.ts";
import { infoOf } from "../../client/response.ts";
import type { AnyTensor } from "../../client/values.ts";
import type { RemoteTensor } from "../../data/remote-tensor.ts";
import { compareVersions } from "../../discovery/versions.ts";
import {
  type InferParameters,
  isReservedParameter,
  isTensor,
  type MessageTensor,
  Tensor,
  type TensorSpecs,
} from "../../tensor/mod.ts";
import type { DType } from "../../tensor/mod.ts";
import { waybillToString } from "../../waybill/mod.ts";
import { invalid, noVersions, unknownModel } from "../errors.ts";
import type { HostCallOptions, IndexEntry, ModelAnswer, ModelFacts, ModelHost, ModelRequest, TensorFacts } from "../host.ts";
import { RequestCounts } from "./counts.ts";
import { toModelError } from "./failures.ts";
import { configOf } from "./model-config.ts";
import { type ListedOperator, OperatorList } from "./operator-list.ts";

/** What discovery does not say of an operator. */
export interface ModelOptions {
  /** Largest batch, for one whose tensors begin with a batch dimension. Default 0: they do not. */
  maxBatchSize?: number;
  /** What it is said to run on. Default `"waybill"`. */
  platform?: string;
  /** What the positions of outputs stand for, by output; for classification. Default none. */
  labels?: Readonly<Record<string, readonly string[]>>;
}

/** How operators are served. */
export interface ClientHostOptions {
  /** The server's name. Default `"waybill"`. */
  name?: string;
  /** The server's version. Default `"0.1.0"`. */
  version?: string;
  /** What is known of operators, by name. Default nothing. */
  models?: Readonly<Record<string, ModelOptions>>;
  /** How operators are called. Default: as handles do it. */
  call?: Pick<CallOptions, "mode" | "timeoutMs" | "retries">;
}

/** A request's parameter that says how long it may take, in µs. */
const TIMEOUT_PARAMETER = "timeout";

/**
 * Serves every operator that a client's discovery knows as a model. The client stays the caller's to close.
 *
 * Of the protocol's parameters `sequence_id` becomes the request's correlation id, and `timeout` its time; `priority`, `sequence_start`
 * and `sequence_end` mean nothing to operators and are ignored, as Triton does for models that do not use them.
 */
export function clientHost(client: Client, options: ClientHostOptions = {}): ModelHost {
  return new ClientHost(client, options);
}

class ClientHost implements ModelHost {
  readonly name: string;
  readonly version: string;
  readonly #client: Client;
  readonly #options: ClientHostOptions;
  readonly #operators: OperatorList;
  readonly #counts = new RequestCounts();

  constructor(client: Client, options: ClientHostOptions) {
    this.name = options.name ?? "waybill";
    this.version = options.version ?? "0.1.0";
    this.#client = client;
    this.#options = options;
    this.#operators = new OperatorList(client.discovery);
  }

  async ready(): Promise<boolean> {
    try {
      await this.#operators.all();
      return true;
    } catch {
      return false;
    }
  }

  async model(name: string, version: string): Promise<ModelFacts> {
    return this.#facts(name, version, await this.#operators.of(name));
  }

  async config(name: string, version: string): Promise<ModelConfig> {
    const listed = await this.#operators.of(name);
    const facts = this.#facts(name, version, listed);
    return configOf(facts, listed?.served.filter((served) => served.version === facts.version).length ?? 0);
  }

  async statistics(name: string, version: string): Promise<ModelStatistics[]> {
    const all = await this.#operators.all();
    if (name === "") {
      return [...all].toSorted(byName).flatMap(([one, listed]) => versionsOf(listed).map((each) => this.#counts.of(one, each)));
    }
    const listed = all.get(name) ?? await this.#operators.of(name);
    if (listed === undefined) throw invalid(`requested model '${name}' is not available`);
    const versions = versionsOf(listed).filter((one) => version === "" || one === version);
    if (versions.length === 0) throw invalid(`requested model version is not available for model '${name}'`);
    return versions.map((one) => this.#counts.of(name, one));
  }

  async index(): Promise<IndexEntry[]> {
    return [...await this.#operators.all()].toSorted(byName).flatMap(([name, listed]): IndexEntry[] => {
      const ready = new Set(versionsOf(listed));
      return listed.declaration.versions.map((version) =>
        ready.has(version)
          ? { name, version, state: "READY" }
          : { name, version, state: "UNAVAILABLE", reason: "no instance serves it" }
      );
    });
  }

  async infer(facts: ModelFacts, request: ModelRequest, { signal }: HostCallOptions): Promise<ModelAnswer> {
    const startedAt = performance.now();
    const inputs = tensorsOf(request);
    let outcome: "success" | "fail" = "fail";
    try {
      const outputs = await this.#handle(facts).infer(inputs, this.#callOptions(facts, request, signal));
      const answer = await this.#answer(facts, request, outputs, signal);
      outcome = "success";
      return answer;
    } catch (error) {
      throw toModelError(error, facts.name, request.id);
    } finally {
      this.#counts.add(facts.name, facts.version, outcome, performance.now() - startedAt, batchOf(facts, request));
    }
  }

  async *stream(facts: ModelFacts, request: ModelRequest, { signal }: HostCallOptions): AsyncGenerator<ModelAnswer> {
    const startedAt = performance.now();
    const inputs = tensorsOf(request);
    let outcome: "success" | "fail" = "fail";
    try {
      for await (const outputs of this.#handle(facts).stream(inputs, this.#callOptions(facts, request, signal))) {
        yield await this.#answer(facts, request, outputs, signal);
      }
      outcome = "success";
    } catch (error) {
      throw toModelError(error, facts.name, request.id);
    } finally {
      this.#counts.add(facts.name, facts.version, outcome, performance.now() - startedAt, batchOf(facts, request));
    }
  }

  #facts(name: string, version: string, listed: ListedOperator | undefined): ModelFacts {
    if (listed === undefined) throw unknownModel(name);
    const { declaration, served } = listed;
    const versions = versionsOf(listed);
    if (versions.length === 0) throw noVersions(name);
    const fallback = versions.includes(declaration.defaultVersion) ? declaration.defaultVersion : versions.at(-1)!;
    const wanted = version === "" ? fallback : version;
    const operator = served.find((one) => one.version === wanted);
    if (operator === undefined) throw unknownModel(name, version);
    return this.#modelFacts(operator, versions);
  }

  #modelFacts(operator: ServedOperator, versions: readonly string[]): ModelFacts {
    const { name, version, streaming: decoupled } = operator;
    const { maxBatchSize = 0, platform = "waybill", labels = {} } = this.#options.models?.[name] ?? {};
    const { inputs, outputs } = factsOf(operator);
    const tensors = (specs: TensorSpecs | undefined): TensorFacts[] | undefined =>
      specs && Object.entries(specs).map(([tensor, { dtype, shape, optional }]) => ({
        name: tensor,
        dtype: dtype as DType,
        dims: maxBatchSize > 0 ? shape.slice(1) : shape,
        optional,
        labels: labels[tensor],
      }));
    return {
      name,
      version,
      versions,
      platform,
      maxBatchSize,
      decoupled,
      // An operator that says nothing of its tensors takes any; one that takes none says so in its outputs.
      inputs: tensors(inputs),
      outputs: tensors(outputs),
    };
  }

  #handle({ name, version }: ModelFacts) {
    return this.#client.operator(name, { ...this.#options.call, version });
  }

  #callOptions(facts: ModelFacts, request: ModelRequest, signal: AbortSignal | undefined): CallOptions {
    const { parameters, id, byReference } = request;
    const { [CORRELATION_PARAMETER]: sequence, [TIMEOUT_PARAMETER]: timeoutUs } = parameters;
    const options: CallOptions = { signal, id, parameters: operatorParameters(parameters) };
    // 0 and "" are none.
    if (sequence) options.correlationId = typeof sequence === "bigint" ? String(sequence) : sequence as string | number;
    if (timeoutUs) {
      options.timeoutMs = Math.min(Math.max(1, Number(timeoutUs) / 1_000), this.#options.call?.timeoutMs ?? 60_000);
    }
    if (byReference) options.inline = referenced(facts);
    return options;
  }

  async #answer(
    facts: ModelFacts,
    request: ModelRequest,
    outputs: Readonly<Record<string, AnyTensor>>,
    signal: AbortSignal | undefined,
  ): Promise<ModelAnswer> {
    const info = infoOf(outputs);
    const wanted = Object.entries(outputs).filter(([name]) => request.outputs.length === 0 || request.outputs.includes(name));
    const read = ([name, tensor]: [string, AnyTensor]) =>
      messageTensor(tensor, request.byReference, signal).then((own) => [name, own] as const);
    return {
      version: info?.version || facts.version,
      parameters: info?.parameters ?? {},
      outputs: await Promise.all(wanted.map(read)),
    };
  }
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Versions that someone serves, the lowest first. */
function versionsOf({ served }: ListedOperator): string[] {
  return [...new Set(served.map(({ version }) => version))].sort(compareVersions);
}

function batchOf({ maxBatchSize }: ModelFacts, { inputs }: ModelRequest): number {
  return maxBatchSize > 0 ? inputs[0]?.shape[0] ?? 1 : 1;
}

function tensorsOf({ inputs }: ModelRequest): Record<string, Tensor> {
  return Object.fromEntries(
    inputs.map(({ name, datatype, shape, bytes }) => [name, new Tensor(datatype as DType, shape, bytes)]),
  );
}

/** Those that are the operator's own. */
function operatorParameters(parameters: Readonly<InferParameters>): InferParameters {
  const own = (name: string) => !isReservedParameter(name) && name !== "binary_data_output" && name !== "waybill";
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => own(name)));
}

/** Inputs travel as their sizes suggest, outputs stay. */
function referenced({ name, outputs }: ModelFacts): Record<string, false> {
  if (outputs !== undefined) return Object.fromEntries(outputs.map((output) => [output.name, false]));
  throw new ConnectError(
    `Cannot answer by waybill: operator "${name}" must say what outputs it has, and says nothing`,
    Code.FailedPrecondition,
  );
}

async function messageTensor(
  tensor: AnyTensor,
  byReference: boolean,
  signal: AbortSignal | undefined,
): Promise<MessageTensor> {
  if (isTensor(tensor)) return tensor;
  if (byReference) {
    const { dtype, shape, byteSize, waybill } = tensor as RemoteTensor;
    return { dtype, shape, byteSize, descriptor: waybillToString(waybill) };
  }
  try {
    return await tensor.fetch({ signal });
  } finally {
    void tensor.release();
  }
}
