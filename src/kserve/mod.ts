/**
 * KServe v2, as Triton speaks it, for every operator: REST routes, the gRPC service, what stands between
 * them and what serves models, and a client for any server that speaks it.
 *
 * @module
 */
export { clientHost } from "./client-host/client-host.ts";
export { KServeClient } from "./client/client.ts";
export { kserveService } from "./grpc/service.ts";
export { kserveMetrics } from "./metrics.ts";
export { kserveRoutes } from "./rest/routes.ts";
export { memorySettings } from "./settings.ts";
export { systemSharedMemory } from "./system-memory-node.ts";

export type { AccessKey, AccessKeys, Action } from "./access.ts";
export type { InferAnswer, InferOptions, JsonRecord, ModelMetadata, OutputOptions, ServerMetadata } from "./client/backend.ts";
export type { KServeClientOptions, VersionOptions } from "./client/client.ts";
export type { ClientHostOptions, ModelOptions } from "./client-host/client-host.ts";
export type { KServeServiceOptions } from "./grpc/service.ts";
export type {
  HostCallOptions,
  IndexEntry,
  InputTensor,
  LoadParameters,
  MemoryRegion,
  ModelAnswer,
  ModelControl,
  ModelFacts,
  ModelHost,
  ModelRequest,
  SharedMemory,
  TensorFacts,
} from "./host.ts";
export type { KServeLimits } from "./limits.ts";
export type { TensorMetadata } from "./metadata.ts";
export type { KServeRoutesOptions } from "./rest/routes.ts";
export type { ServingOptions } from "./serving.ts";
export type { SystemMemoryOptions } from "./system-memory-node.ts";
export type { LogSettings, ServerSettings, TracePatch, TraceSettings } from "./settings.ts";

// What the interfaces above are made of.
export type { ModelStatistics } from "../../gen/inference/management_pb.ts";
export type { ModelConfig } from "../../gen/inference/model_config_pb.ts";
export type { EncodedReference, MessageTensor } from "../tensor/mod.ts";
export type { ConnectRouter } from "@connectrpc/connect";
export type { Hono } from "hono";
