import { Code, ConnectError } from "@connectrpc/connect";
import type { TensorValue } from "../../client/values.ts";
import { toTensors } from "../../client/values.ts";
import type { CallOptions } from "../../rpc/deadline.ts";
import type { Tensor } from "../../tensor/mod.ts";
import type { IndexEntry } from "../host.ts";
import type { Backend, InferAnswer, InferOptions, JsonRecord, ModelMetadata, ServerMetadata } from "./backend.ts";
import { GrpcBackend } from "./grpc-backend.ts";
import { openGrpcWire } from "./grpc-wire.ts";
import { RestBackend } from "./rest-backend.ts";

/** How a server is spoken to. */
export interface KServeClientOptions {
  /** Default: `"grpc"` for `grpc:` and `grpcs:` URLs (gRPC-Web in browsers and Workers, which have no more), else `"rest"`. */
  protocol?: "rest" | "grpc" | "grpc-web";
  /** Sent with every request as `authorization: Bearer …`. Default: the URL's user or password, else none. */
  token?: string;
  /** Sent with every request. Default none. */
  headers?: HeadersInit;
  /** How long a call may take that names no time. Default 60,000 ms; `Infinity` for no limit. */
  timeoutMs?: number;
  /** Sends requests of REST and gRPC-Web. Default: the runtime's. */
  fetch?: typeof globalThis.fetch;
}

/** Which version of a model is meant. */
export interface VersionOptions extends CallOptions {
  /** Default: the server's choice. */
  version?: string | number;
}

/**
 * Calls models of any server that speaks KServe v2: Triton, KServe, Waybill. Safe to use for many calls at once.
 *
 * @example
 * ```ts
 * const client = new KServeClient("http://127.0.0.1:8000");
 * const { outputs } = await client.infer("add", { a: new Float32Array([1]), b: new Float32Array([2]) });
 * ```
 */
export class KServeClient implements AsyncDisposable {
  readonly #backend: Backend;
  readonly #timeoutMs: number;

  /**
   * Sends nothing yet.
   *
   * @param url `http://host:8000` for REST, `grpc://host:8001` for gRPC; with `s` behind the scheme over TLS
   * @throws {ConnectError} `invalid_argument` for a URL of another kind
   */
  constructor(url: string, options: KServeClientOptions = {}) {
    const { protocol, baseUrl, token: ownToken } = parse(url);
    const { protocol: chosen = protocol, token = ownToken, timeoutMs = 60_000 } = options;
    if (!(timeoutMs > 0)) throw refused(`timeoutMs must be positive, got ${timeoutMs}`);
    const headers = new Headers(options.headers);
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    const fetch = options.fetch ?? ((...call: Parameters<typeof globalThis.fetch>) => globalThis.fetch(...call));
    this.#timeoutMs = timeoutMs;
    this.#backend = chosen === "rest"
      ? new RestBackend({ baseUrl, headers, fetch })
      : new GrpcBackend(openGrpcWire(baseUrl, chosen === "grpc-web", fetch), headers);
  }

  /** Whether the server runs. */
  live(options: CallOptions = {}): Promise<boolean> {
    return this.#backend.live(this.#timed(options));
  }

  /** Whether the server takes requests. */
  ready(options: CallOptions = {}): Promise<boolean> {
    return this.#backend.ready(this.#timed(options));
  }

  /** Whether a model takes requests; `false` for one that is not known. */
  modelReady(name: string, options: VersionOptions = {}): Promise<boolean> {
    return this.#backend.modelReady(name, versionOf(options), this.#timed(options));
  }

  /** What the server says of itself. */
  serverMetadata(options: CallOptions = {}): Promise<ServerMetadata> {
    return this.#backend.serverMetadata(this.#timed(options));
  }

  /**
   * What a model takes and gives.
   *
   * @throws {ConnectError} `not_found` for one that is not served
   */
  metadata(name: string, options: VersionOptions = {}): Promise<ModelMetadata> {
    return this.#backend.metadata(name, versionOf(options), this.#timed(options));
  }

  /** A model's configuration, as `config.pbtxt` names its fields; rejects as {@linkcode metadata} does. */
  config(name: string, options: VersionOptions = {}): Promise<JsonRecord> {
    return this.#backend.config(name, versionOf(options), this.#timed(options));
  }

  /** What models did, one entry for each version; of all models where none is named. */
  statistics(name: string = "", options: VersionOptions = {}): Promise<readonly JsonRecord[]> {
    return this.#backend.statistics(name, versionOf(options), this.#timed(options));
  }

  /** The models that the server has, ready or not. */
  index(options: CallOptions & { readonly ready?: boolean } = {}): Promise<readonly IndexEntry[]> {
    return this.#backend.index(options.ready ?? false, this.#timed(options));
  }

  /**
   * Loads a model, with another configuration or other files where they are given.
   *
   * @throws {ConnectError} what the server says; `unavailable` where it does not allow that
   */
  load(
    name: string,
    options: CallOptions & { readonly config?: JsonRecord; readonly files?: Readonly<Record<string, Uint8Array>> } = {},
  ): Promise<void> {
    const { config, files = {} } = options;
    const parameters = { config: config && JSON.stringify(config), files };
    return this.#backend.load(name, parameters, this.#timed(options));
  }

  /** Lets go of a model. A server may answer before it is gone. */
  unload(name: string, options: CallOptions & { readonly dependents?: boolean } = {}): Promise<void> {
    return this.#backend.unload(name, options.dependents ?? false, this.#timed(options));
  }

  /**
   * Calls a model, and waits for its answer. Remote tensors are fetched, and sent as bytes.
   *
   * @throws {ConnectError} with the server's message and the code that fits its status; `unavailable` where it cannot be reached;
   * `deadline_exceeded`; `canceled`
   */
  async infer(model: string, inputs: Readonly<Record<string, TensorValue>>, options: InferOptions = {}): Promise<InferAnswer> {
    return await this.#backend.infer({ model, inputs: await fetched(model, inputs), options: this.#timed(options) });
  }

  /**
   * Calls a model, and yields each of its answers. Leaving the loop early ends the call. Over REST that is an extension of Waybill's;
   * Triton streams over gRPC. Throws as {@linkcode infer} does.
   */
  async *stream(
    model: string,
    inputs: Readonly<Record<string, TensorValue>>,
    options: InferOptions = {},
  ): AsyncGenerator<InferAnswer, void, undefined> {
    yield* this.#backend.stream({ model, inputs: await fetched(model, inputs), options: this.#timed(options) });
  }

  /** Closes what gRPC keeps open; calls under way fail. */
  close(): Promise<void> {
    this.#backend.close();
    return Promise.resolve();
  }

  /** The same as {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #timed<T extends CallOptions>(options: T): T {
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    return { ...options, timeoutMs: timeoutMs === Infinity ? undefined : timeoutMs };
  }
}

async function fetched(
  model: string,
  inputs: Readonly<Record<string, TensorValue>>,
): Promise<Record<string, Tensor>> {
  const tensors = Object.entries(toTensors(`the inputs of model "${model}"`, inputs));
  return Object.fromEntries(await Promise.all(tensors.map(async ([name, tensor]) => [name, await tensor.fetch()] as const)));
}

function versionOf({ version = "" }: VersionOptions): string {
  return String(version);
}

interface ParsedUrl {
  readonly protocol: "rest" | "grpc";
  readonly baseUrl: string;
  readonly token: string | undefined;
}

function parse(text: string): ParsedUrl {
  const scheme = /^(http|grpc)(s?):\/\/(.+)$/i.exec(text);
  // URL has no host for schemes that it does not know.
  const asHttp = scheme === null ? undefined : `http${scheme[2]}://${scheme[3]}`;
  if (scheme === null || asHttp === undefined || !URL.canParse(asHttp)) {
    throw refused(
      `the URL must be http://HOST:PORT or grpc://HOST:PORT, or https and grpcs, got ${JSON.stringify(withoutUser(text))}`,
    );
  }
  const { protocol, host, pathname, username, password } = new URL(asHttp);
  return {
    protocol: scheme[1]!.toLowerCase() === "grpc" ? "grpc" : "rest",
    baseUrl: `${protocol}//${host}${pathname.replace(/\/+$/, "")}`,
    token: decodeURIComponent(password || username) || undefined,
  };
}

function withoutUser(text: string): string {
  return text.replace(/\/\/[^/]*@/, "//…@");
}

function refused(rule: string): ConnectError {
  return new ConnectError(`Cannot make a KServe client: ${rule}`, Code.InvalidArgument);
}
