import { Code, ConnectError, type ConnectRouter, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus } from "../../../gen/grpc/health/v1/health_pb.ts";
import type { ModelRepositoryParameter } from "../../../gen/inference/management_pb.ts";
import { type Action, admit } from "../access.ts";
import { checkVersion, invalid, unsupported } from "../errors.ts";
import type { LoadParameters, ModelHost } from "../host.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { tensorMetadata, versionsShown } from "../metadata.ts";
import { checkedFile } from "../rest/management.ts";
import { publicError } from "../rest/answers.ts";
import { Serving, type ServingOptions } from "../serving.ts";
import { memorySettings } from "../settings.ts";
import { decodeMessage } from "./decode.ts";
import { KServeService, type KServeServiceType } from "./descriptor.ts";
import { encodeMessage } from "./encode.ts";
import { logMessage, logPatch, traceMessage, tracePatch } from "./settings.ts";
import { streamInfer } from "./stream-infer.ts";

/** How models are served over gRPC. */
export interface KServeServiceOptions extends ServingOptions {
  /** Largest message that is read. Default 256 MiB. */
  maxBodyBytes?: number;
  /** Whether `grpc.health.v1.Health` is served too. Default `true`. */
  health?: boolean;
}

/**
 * `inference.GRPCInferenceService` for every model of a host: over gRPC, gRPC-Web and Connect, as the router has them.
 *
 * @returns what adds it to a Connect router
 */
export function kserveService(host: ModelHost, options: KServeServiceOptions = {}): (router: ConnectRouter) => ConnectRouter {
  const { maxBodyBytes: readMaxBytes = DEFAULT_LIMITS.maxBodyBytes, health = true } = options;
  const methods = { ...inferenceMethods(host, options), ...managementMethods(host, options) };
  return (router) => {
    router.service(KServeService, methods, { readMaxBytes });
    if (health) router.service(Health, { check: () => ({ status: HealthCheckResponse_ServingStatus.SERVING }) });
    return router;
  };
}

type Methods = Partial<ServiceImpl<KServeServiceType>>;

function inferenceMethods(host: ModelHost, options: KServeServiceOptions): Methods {
  const serving = new Serving(host, options);
  const allow = (action: Action, model: string, { requestHeader }: HandlerContext) =>
    admit(options.keys, requestHeader.get("authorization"), action, model);
  return {
    serverLive: () => ({ live: true }),
    serverReady: async (_, { signal }) => ({ ready: await host.ready({ signal }) }),
    async modelReady({ name, version }, { signal }) {
      const wanted = checkVersion(version);
      const ready = await host.model(name, wanted, { signal }).then(() => true, () => false);
      return { ready };
    },
    async serverMetadata(_, context) {
      await allow("metadata", "", context);
      return { name: host.name, version: host.version, extensions: serving.extensions };
    },
    async modelMetadata({ name, version }, context) {
      await allow("metadata", name, context);
      const facts = await host.model(name, checkVersion(version), context);
      const wire = (tensors: typeof facts.inputs) =>
        tensorMetadata(facts, tensors).map((tensor) => ({ ...tensor, shape: tensor.shape.map(BigInt) }));
      return {
        name: facts.name,
        versions: [...versionsShown(facts, checkVersion(version))],
        platform: facts.platform,
        inputs: wire(facts.inputs),
        outputs: wire(facts.outputs),
      };
    },
    modelInfer: (message, context) =>
      told(async () => {
        const { modelName, modelVersion } = message;
        await allow("inference", modelName, context);
        const { signal } = context;
        const version = checkVersion(modelVersion);
        const facts = await host.model(modelName, version, { signal });
        if (facts.decoupled) throw unsupported("ModelInfer RPC doesn't support models with decoupled transaction policy");
        return encodeMessage(await serving.infer(decodeMessage(facts, version, message), { signal }));
      }),
    modelStreamInfer: (requests, context) =>
      streamInfer(serving, requests, context, (model) => allow("inference", model, context)),
  };
}

function managementMethods(host: ModelHost, options: KServeServiceOptions): Methods {
  const serving = new Serving(host, options);
  const settings = options.settings ?? memorySettings();
  const allow = (action: Action, model: string, { requestHeader }: HandlerContext) =>
    admit(options.keys, requestHeader.get("authorization"), action, model);
  return {
    async modelConfig({ name, version }, context) {
      await allow("model-config", name, context);
      return { config: await host.config(name, checkVersion(version), context) };
    },
    async modelStatistics({ name, version }, context) {
      await allow("statistics", name, context);
      return { modelStats: await host.statistics(name, checkVersion(version), context) };
    },
    async repositoryIndex({ ready }, context) {
      await allow("model-repository", "", context);
      const entries = await host.index(context);
      return { models: entries.filter(({ state }) => !ready || state === "READY") };
    },
    async repositoryModelLoad({ modelName, parameters, repositoryName }, context) {
      await allow("model-repository", modelName, context);
      refuseRepository(repositoryName);
      await serving.control.load(modelName, loadParameters(parameters), context);
      return {};
    },
    async repositoryModelUnload({ modelName, parameters, repositoryName }, context) {
      await allow("model-repository", modelName, context);
      refuseRepository(repositoryName);
      const dependents = parameters.unload_dependents?.parameterChoice.value === true;
      await serving.control.unload(modelName, { signal: context.signal, dependents });
      return {};
    },
    async systemSharedMemoryStatus({ name }, context) {
      await allow("shared-memory", "", context);
      const regions = await serving.memory.status(name === "" ? undefined : name);
      return {
        regions: Object.fromEntries(
          regions.map(({ name, key, offset, byteSize }) => [
            name,
            { name, key, offset: BigInt(offset), byteSize: BigInt(byteSize) },
          ]),
        ),
      };
    },
    async systemSharedMemoryRegister({ name, key, offset, byteSize }, context) {
      await allow("shared-memory", "", context);
      await serving.memory.register({ name, key, offset: Number(offset), byteSize: Number(byteSize) });
      return {};
    },
    async systemSharedMemoryUnregister({ name }, context) {
      await allow("shared-memory", "", context);
      await serving.memory.unregister(name === "" ? undefined : name);
      return {};
    },
    async cudaSharedMemoryStatus(_, context) {
      await allow("shared-memory", "", context);
      return serving.memory && {};
    },
    async cudaSharedMemoryRegister(_, context) {
      await allow("shared-memory", "", context);
      throw unsupported("CUDA shared memory is not supported by this server");
    },
    async cudaSharedMemoryUnregister(_, context) {
      await allow("shared-memory", "", context);
      return serving.memory && {};
    },
    async traceSetting(message, context) {
      const { modelName } = message;
      await allow("trace", modelName, context);
      const known = modelName === "" || (await host.index(context)).some(({ name }) => name === modelName);
      if (!known) throw invalid(`Request for unknown model : ${modelName}`);
      return { settings: traceMessage(settings.trace(modelName, tracePatch(message))) };
    },
    async logSettings(message, context) {
      await allow("logging", "", context);
      return { settings: logMessage(settings.log(logPatch(message))) };
    },
  };
}

async function told<T>(answer: () => Promise<T>): Promise<T> {
  try {
    return await answer();
  } catch (error) {
    throw publicError(error);
  }
}

function refuseRepository(name: string): void {
  if (name !== "") throw unsupported("'repository_name' specification is not supported");
}

function loadParameters(given: Readonly<Record<string, ModelRepositoryParameter>>): LoadParameters {
  let config: string | undefined;
  const files: Record<string, Uint8Array> = {};
  for (const [name, { parameterChoice: { case: kind, value } }] of Object.entries(given)) {
    if (name === "config" && kind === "stringParam") config = value;
    else if (name.startsWith("file:") && kind === "bytesParam") files[checkedFile(name.slice(5))] = value;
    else throw new ConnectError(`unrecognized load parameter '${name}'.`, Code.InvalidArgument);
  }
  return { config, files };
}
