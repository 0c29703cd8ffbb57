/**
 * What stands between the protocol and what serves models: clients' operators, an engine, another server.
 *
 * @module
 */
import type { ModelStatistics } from "../../gen/inference/management_pb.ts";
import type { ModelConfig } from "../../gen/inference/model_config_pb.ts";
import type { DType, InferParameters, MessageTensor } from "../tensor/mod.ts";

/** How a call ends before it is answered. */
export interface HostCallOptions {
  /** The client went away, or gave up. */
  signal?: AbortSignal;
}

/** A tensor that a model takes or gives. */
export interface TensorFacts {
  /** What it is called. */
  readonly name: string;
  /** What its elements are. */
  readonly dtype: DType;
  /** Dimensions without the batch one; -1 is any size. */
  readonly dims: readonly number[];
  /** Whether it may be left out. Default `false`. */
  readonly optional?: boolean;
  /** What the positions of an output stand for, for classification. Default none. */
  readonly labels?: readonly string[];
}

/** One version of a model that is ready. */
export interface ModelFacts {
  /** What it is called. */
  readonly name: string;
  /** As requests name it: digits. */
  readonly version: string;
  /** All versions that are ready. */
  readonly versions: readonly string[];
  /** Who runs it: `onnxruntime_onnx`, `python`, `waybill`. */
  readonly platform: string;
  /** 0 where tensors have no batch dimension. */
  readonly maxBatchSize: number;
  /** `undefined` where it is not known: anything is passed on then. */
  readonly inputs: readonly TensorFacts[] | undefined;
  /** `undefined` where it is not known. */
  readonly outputs: readonly TensorFacts[] | undefined;
  /** Whether a request may have none or many answers. */
  readonly decoupled: boolean;
}

/** An input as it came: nothing of it was checked against a model yet. */
export interface InputTensor {
  /** What it is called. */
  readonly name: string;
  /** By the protocol's name; anything that is none is `"<invalid>"`. */
  readonly datatype: string;
  /** Dimensions, the batch one included. */
  readonly shape: readonly number[];
  /** The elements, as `Tensor` has them. */
  readonly bytes: Uint8Array;
}

/** A request for one model. */
export interface ModelRequest {
  /** Whom it is for. */
  readonly model: string;
  /** `""` for the default one. */
  readonly version: string;
  /** `""` for none. */
  readonly id: string;
  /** All of them, those of the protocol (`sequence_id`, `priority`, `timeout` in µs, …) included. */
  readonly parameters: Readonly<InferParameters>;
  /** In the order of the request. */
  readonly inputs: readonly InputTensor[];
  /** Names of the outputs wanted, each once; none for all. */
  readonly outputs: readonly string[];
  /** Whether outputs are to stay where they are, described. */
  readonly byReference: boolean;
}

/** One answer. */
export interface ModelAnswer {
  /** The version that answered. */
  readonly version: string;
  /** What the model says beside its outputs. */
  readonly parameters: Readonly<InferParameters>;
  /** In the model's order. */
  readonly outputs: readonly (readonly [name: string, tensor: MessageTensor])[];
}

/** A line of the repository's index. */
export interface IndexEntry {
  /** The model's. */
  readonly name: string;
  /** Default: it was never loaded. */
  readonly version?: string;
  /** Default: it was never loaded. */
  readonly state?: "READY" | "UNAVAILABLE" | "LOADING" | "UNLOADING";
  /** Why it is in this state. */
  readonly reason?: string;
}

/** What loading takes beside the model's name. */
export interface LoadParameters {
  /** A configuration that replaces the repository's, as JSON. */
  readonly config?: string;
  /** Files that replace the repository's, by `<version>/<name>`. */
  readonly files: Readonly<Record<string, Uint8Array>>;
}

/** Loads models and lets them go. */
export interface ModelControl {
  /** Settles when it is ready. */
  load(name: string, parameters: LoadParameters, options: HostCallOptions): Promise<void>;
  /** May settle before it is gone. */
  unload(name: string, options: HostCallOptions & { readonly dependents: boolean }): Promise<void>;
}

/** A region of memory that a client registered. */
export interface MemoryRegion {
  /** The client's name of it. */
  readonly name: string;
  /** The system's name of it. */
  readonly key: string;
  /** Where it begins in what `key` names, in bytes. */
  readonly offset: number;
  /** In bytes. */
  readonly byteSize: number;
}

/** Memory that clients on the same host share with the server. */
export interface SharedMemory {
  /** Those registered; one of them where a name is given. */
  status(name?: string): Promise<readonly MemoryRegion[]>;
  /** Rejects for one that there is already, and for memory that cannot be opened. */
  register(region: MemoryRegion): Promise<void>;
  /** All of them where no name is given; an unknown one is no error. */
  unregister(name?: string): Promise<void>;
  /** A copy of a part of a region. */
  read(region: string, offset: number, byteSize: number): Promise<Uint8Array>;
  /** Into a part of a region. */
  write(region: string, offset: number, bytes: Uint8Array): Promise<void>;
}

/** Serves models to the protocol. Every method rejects with a `ConnectError` whose text goes to the client as it is. */
export interface ModelHost {
  /** Of the server. */
  readonly name: string;
  /** Of the server. */
  readonly version: string;
  /** Whether requests would be answered at all. */
  ready(options: HostCallOptions): Promise<boolean>;
  /**
   * A version of a model, the default one for `""`.
   *
   * @throws {ConnectError} `not_found` for one that is unknown or not served, `unavailable` for one that comes or goes
   */
  model(name: string, version: string, options: HostCallOptions): Promise<ModelFacts>;
  /** Its configuration; rejects as {@linkcode model} does. */
  config(name: string, version: string, options: HostCallOptions): Promise<ModelConfig>;
  /** What models did: all of them for a name of `""`. */
  statistics(name: string, version: string, options: HostCallOptions): Promise<ModelStatistics[]>;
  /** What there is, served or not. */
  index(options: HostCallOptions): Promise<readonly IndexEntry[]>;
  /** Answers a request of a model that answers once. The request was checked against `facts`. */
  infer(facts: ModelFacts, request: ModelRequest, options: HostCallOptions): Promise<ModelAnswer>;
  /** Answers a request as often as the model does. The request was checked against `facts`. */
  stream(facts: ModelFacts, request: ModelRequest, options: HostCallOptions): AsyncIterable<ModelAnswer>;
  /** Default: models cannot be loaded. */
  readonly control?: ModelControl;
}
