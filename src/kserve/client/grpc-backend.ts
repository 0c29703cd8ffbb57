import { type Client as ServiceClient, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ModelInferRequestSchema, ModelInferResponse } from "../../../gen/inference/grpc_service_pb.ts";
import { ModelStatisticsSchema } from "../../../gen/inference/management_pb.ts";
import { ModelConfigSchema } from "../../../gen/inference/model_config_pb.ts";
import type { CallOptions } from "../../rpc/deadline.ts";
import {
  decodeOutputs,
  decodeParameter,
  encodeInferRequest,
  encodeParameter,
  type InferParameters,
  isEncodedReference,
  type Tensor,
  type WireParameters,
} from "../../tensor/mod.ts";
import { KServeService, type KServeServiceType } from "../grpc/descriptor.ts";
import type { IndexEntry, LoadParameters } from "../host.ts";
import { messageToJson } from "../json/message.ts";
import { scanJson } from "../json/scanner.ts";
import {
  type Backend,
  callOutputs,
  callParameters,
  type InferAnswer,
  type InferCall,
  type JsonRecord,
  type ModelMetadata,
  type ServerMetadata,
} from "./backend.ts";

/** The parameter that ends a stream's answers to one request. */
const FINAL_WANTED = "triton_enable_empty_final_response";
const FINAL = "triton_final_response";

/** A transport, and what closes it. */
export interface GrpcWire {
  readonly transport: Transport;
  /** Whether requests can follow each other in one call, which `ModelStreamInfer` needs. */
  readonly duplex: boolean;
  close(): void;
}

/** Speaks to a server over gRPC or gRPC-Web. */
export class GrpcBackend implements Backend {
  readonly #wire: Promise<GrpcWire>;
  readonly #headers: HeadersInit | undefined;
  #client: Promise<ServiceClient<KServeServiceType>> | undefined;

  constructor(wire: Promise<GrpcWire>, headers: HeadersInit | undefined) {
    this.#wire = wire;
    // Told to whoever calls.
    wire.catch(() => {});
    this.#headers = headers;
  }

  async live(options: CallOptions): Promise<boolean> {
    return (await (await this.#service()).serverLive({}, this.#with(options))).live;
  }

  async ready(options: CallOptions): Promise<boolean> {
    return (await (await this.#service()).serverReady({}, this.#with(options))).ready;
  }

  async modelReady(name: string, version: string, options: CallOptions): Promise<boolean> {
    return (await (await this.#service()).modelReady({ name, version }, this.#with(options))).ready;
  }

  async serverMetadata(options: CallOptions): Promise<ServerMetadata> {
    const { name, version, extensions } = await (await this.#service()).serverMetadata({}, this.#with(options));
    return { name, version, extensions };
  }

  async metadata(name: string, version: string, options: CallOptions): Promise<ModelMetadata> {
    const metadata = await (await this.#service()).modelMetadata({ name, version }, this.#with(options));
    const plain = (tensors: typeof metadata.inputs) =>
      tensors.map((tensor) => ({ name: tensor.name, datatype: tensor.datatype, shape: tensor.shape.map(Number) }));
    const { versions, platform } = metadata;
    return { name: metadata.name, versions, platform, inputs: plain(metadata.inputs), outputs: plain(metadata.outputs) };
  }

  async config(name: string, version: string, options: CallOptions): Promise<JsonRecord> {
    const { config } = await (await this.#service()).modelConfig({ name, version }, this.#with(options));
    return config === undefined ? {} : record(messageToJson(ModelConfigSchema, config));
  }

  async statistics(name: string, version: string, options: CallOptions): Promise<readonly JsonRecord[]> {
    const { modelStats } = await (await this.#service()).modelStatistics({ name, version }, this.#with(options));
    return modelStats.map((one) => record(messageToJson(ModelStatisticsSchema, one)));
  }

  async index(ready: boolean, options: CallOptions): Promise<readonly IndexEntry[]> {
    const { models } = await (await this.#service()).repositoryIndex({ ready }, this.#with(options));
    return models.map(({ name, version, state, reason }) => ({
      name,
      ...(version === "" ? {} : { version }),
      ...(state === "" ? {} : { state: state as IndexEntry["state"] }),
      ...(reason === "" ? {} : { reason }),
    }));
  }

  async load(modelName: string, { config, files }: LoadParameters, options: CallOptions): Promise<void> {
    const parameters: Record<
      string,
      { parameterChoice: { case: "stringParam"; value: string } | { case: "bytesParam"; value: Uint8Array } }
    > = {};
    if (config !== undefined) parameters.config = { parameterChoice: { case: "stringParam", value: config } };
    for (const [path, value] of Object.entries(files)) {
      parameters[`file:${path}`] = { parameterChoice: { case: "bytesParam", value } };
    }
    await (await this.#service()).repositoryModelLoad({ modelName, parameters }, this.#with(options));
  }

  async unload(modelName: string, dependents: boolean, options: CallOptions): Promise<void> {
    const parameters = { unload_dependents: { parameterChoice: { case: "boolParam" as const, value: dependents } } };
    await (await this.#service()).repositoryModelUnload({ modelName, parameters }, this.#with(options));
  }

  async infer(call: InferCall): Promise<InferAnswer> {
    const answer = await (await this.#service()).modelInfer(requestOf(call, {}), this.#with(call.options));
    return answerOf(answer);
  }

  async *stream(call: InferCall): AsyncGenerator<InferAnswer, void, undefined> {
    const service = await this.#service();
    if (!(await this.#wire).duplex) {
      throw new ConnectError(
        "Cannot stream over gRPC-Web: requests and answers must go at the same time, which it cannot do; REST streams from Waybill",
        Code.Unimplemented,
      );
    }
    const controller = new AbortController();
    const { signal } = call.options;
    const stop = () => controller.abort(signal?.reason);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
    const requests = (async function* () {
      yield requestOf(call, { [FINAL_WANTED]: true });
    })();
    try {
      const options = { ...this.#with(call.options), signal: controller.signal };
      for await (const { errorMessage, inferResponse } of service.modelStreamInfer(requests, options)) {
        if (errorMessage !== "") throw new ConnectError(errorMessage, Code.Unknown);
        if (inferResponse === undefined) continue;
        const final = inferResponse.parameters[FINAL]?.parameterChoice.value === true;
        // The last message of a model that answers many times is empty.
        if (!final || inferResponse.outputs.length > 0) yield answerOf(inferResponse);
        if (final) return;
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      controller.abort();
    }
  }

  close(): void {
    void this.#wire.then((wire) => wire.close(), () => {});
  }

  #service(): Promise<ServiceClient<KServeServiceType>> {
    return this.#client ??= this.#wire.then(({ transport }) => createClient(KServeService, transport));
  }

  #with({ signal, timeoutMs }: CallOptions) {
    return { signal, timeoutMs, headers: this.#headers };
  }
}

function requestOf(
  { model, inputs, options }: InferCall,
  more: InferParameters,
): MessageInitShape<typeof ModelInferRequestSchema> {
  return encodeInferRequest({
    modelName: model,
    modelVersion: String(options.version ?? ""),
    id: options.id,
    parameters: wire({ ...callParameters(options), ...more }),
    inputs: Object.entries(inputs),
    outputs: callOutputs(options).map(([name, { classes }]) => ({
      name,
      parameters: classes === undefined ? {} : wire({ classification: classes }),
    })),
  });
}

function answerOf(response: ModelInferResponse): InferAnswer {
  const parameters: InferParameters = {};
  for (const [name, value] of Object.entries(response.parameters)) {
    if (name !== FINAL) parameters[name] = decodeParameter(name, value);
  }
  const outputs: Record<string, Tensor> = {};
  const waybills: Record<string, string> = {};
  for (const [name, tensor] of Object.entries(decodeOutputs(response))) {
    if (!isEncodedReference(tensor)) outputs[name] = tensor;
    else waybills[name] = tensor.descriptor;
  }
  return { model: response.modelName, version: response.modelVersion, id: response.id, parameters, outputs, waybills };
}

function wire(parameters: Readonly<InferParameters>): WireParameters {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, encodeParameter(name, value)]));
}

function record(json: string): JsonRecord {
  return scanJson(new TextEncoder().encode(json)) as JsonRecord;
}
