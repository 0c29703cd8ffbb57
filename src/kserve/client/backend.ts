import type { CallOptions } from "../../rpc/deadline.ts";
import type { InferParameters, Tensor } from "../../tensor/mod.ts";
import type { IndexEntry, LoadParameters } from "../host.ts";
import type { TensorMetadata } from "../metadata.ts";

/** What a server says of itself. */
export interface ServerMetadata {
  /** `triton`, `waybill`, … */
  readonly name: string;
  /** The server's own. */
  readonly version: string;
  /** What it can do beside the protocol's core. */
  readonly extensions: readonly string[];
}

/** What a server says of a model. */
export interface ModelMetadata {
  /** What it is called. */
  readonly name: string;
  /** Those that are ready, or the one that was asked for. */
  readonly versions: readonly string[];
  /** What runs it. */
  readonly platform: string;
  /** What it takes; -1 is any size. */
  readonly inputs: readonly TensorMetadata[];
  /** What it gives; -1 is any size. */
  readonly outputs: readonly TensorMetadata[];
}

/** A part of JSON as it came, under the protocol's names; integers past 2^53 - 1 are bigints. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** What is asked of one output. */
export interface OutputOptions {
  /** Its largest values instead of it: how many. */
  readonly classes?: number;
}

/** How a model is called. */
export interface InferOptions extends CallOptions {
  /** Default: the server's choice. */
  version?: string | number;
  /** Echoed in the answer. Default `""`. */
  id?: string;
  /** Default none. */
  parameters?: InferParameters;
  /** The outputs wanted, by name or with what is asked of each. Default: all, as they are. */
  outputs?: readonly string[] | Readonly<Record<string, OutputOptions>>;
  /** For models that keep state over the requests of a sequence. */
  sequence?: { readonly id: string | number; readonly start?: boolean; readonly end?: boolean };
  /** 1 is the highest; 0 the model's default. */
  priority?: number;
  /** What the server may let the request wait, in µs; what that means is up to the model's configuration. */
  queueTimeoutUs?: number;
  /** Whether tensors travel as bytes over REST, and not as JSON. Default `true`. */
  binary?: boolean;
  /** Compresses the request over REST. Default: not. */
  compress?: "gzip" | "deflate";
}

/** What a model answered. */
export interface InferAnswer {
  /** Who answered. */
  readonly model: string;
  /** Which version of it. */
  readonly version: string;
  /** The request's own. */
  readonly id: string;
  /** What the model says beside its outputs. */
  readonly parameters: Readonly<InferParameters>;
  /** By name. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Descriptors of outputs that stay where they are, by name: of Waybill, with the parameter `waybill: true`. */
  readonly waybills: Readonly<Record<string, string>>;
}

/** A request, its inputs at hand. */
export interface InferCall {
  readonly model: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly options: InferOptions;
}

/** A way to speak to a server. */
export interface Backend {
  live(options: CallOptions): Promise<boolean>;
  ready(options: CallOptions): Promise<boolean>;
  modelReady(name: string, version: string, options: CallOptions): Promise<boolean>;
  serverMetadata(options: CallOptions): Promise<ServerMetadata>;
  metadata(name: string, version: string, options: CallOptions): Promise<ModelMetadata>;
  config(name: string, version: string, options: CallOptions): Promise<JsonRecord>;
  statistics(name: string, version: string, options: CallOptions): Promise<readonly JsonRecord[]>;
  index(ready: boolean, options: CallOptions): Promise<readonly IndexEntry[]>;
  load(name: string, parameters: LoadParameters, options: CallOptions): Promise<void>;
  unload(name: string, dependents: boolean, options: CallOptions): Promise<void>;
  infer(call: InferCall): Promise<InferAnswer>;
  stream(call: InferCall): AsyncGenerator<InferAnswer, void, undefined>;
  close(): void;
}

/** The parameters of a call, the protocol's own among them. */
export function callParameters({ parameters, sequence, priority, queueTimeoutUs }: InferOptions): InferParameters {
  const all: InferParameters = { ...parameters };
  if (sequence !== undefined) {
    all.sequence_id = sequence.id;
    all.sequence_start = sequence.start ?? false;
    all.sequence_end = sequence.end ?? false;
  }
  if (priority !== undefined) all.priority = priority;
  if (queueTimeoutUs !== undefined) all.timeout = queueTimeoutUs;
  return all;
}

/** The outputs of a call, each with what is asked of it. */
export function callOutputs({ outputs = [] }: InferOptions): readonly (readonly [name: string, options: OutputOptions])[] {
  return Array.isArray(outputs) ? (outputs as readonly string[]).map((name) => [name, {}] as const) : Object.entries(outputs);
}
