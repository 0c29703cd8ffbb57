import { base64Encode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { piecesOf } from "../../data/stream.ts";
import { type CallOptions, withDeadline } from "../../rpc/deadline.ts";
import { abortError } from "../../rpc/error.ts";
import type { IndexEntry, LoadParameters } from "../host.ts";
import { scanJson } from "../json/scanner.ts";
import type { Backend, InferAnswer, InferCall, JsonRecord, ModelMetadata, ServerMetadata } from "./backend.ts";
import { decodeAnswer, encodeCall } from "./rest-messages.ts";

/** Codes by the statuses that servers give errors. */
const CODES: Readonly<Record<number, Code>> = {
  400: Code.InvalidArgument,
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  404: Code.NotFound,
  405: Code.Unimplemented,
  413: Code.InvalidArgument,
  429: Code.ResourceExhausted,
  501: Code.Unimplemented,
  502: Code.Unavailable,
  503: Code.Unavailable,
  504: Code.DeadlineExceeded,
};

/** How a server is reached. */
export interface RestOptions {
  readonly baseUrl: string;
  readonly headers: HeadersInit | undefined;
  readonly fetch: typeof globalThis.fetch;
}

/** Speaks to a server over REST. */
export class RestBackend implements Backend {
  readonly #options: RestOptions;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  live(options: CallOptions): Promise<boolean> {
    return this.#ok("/v2/health/live", options);
  }

  ready(options: CallOptions): Promise<boolean> {
    return this.#ok("/v2/health/ready", options);
  }

  modelReady(name: string, version: string, options: CallOptions): Promise<boolean> {
    return this.#ok(`${pathOf(name, version)}/ready`, options);
  }

  async serverMetadata(options: CallOptions): Promise<ServerMetadata> {
    return await this.#json("GET", "/v2", undefined, options) as ServerMetadata;
  }

  async metadata(name: string, version: string, options: CallOptions): Promise<ModelMetadata> {
    return await this.#json("GET", pathOf(name, version), undefined, options) as ModelMetadata;
  }

  async config(name: string, version: string, options: CallOptions): Promise<JsonRecord> {
    return await this.#json("GET", `${pathOf(name, version)}/config`, undefined, options) as JsonRecord;
  }

  async statistics(name: string, version: string, options: CallOptions): Promise<readonly JsonRecord[]> {
    const path = name === "" ? "/v2/models/stats" : `${pathOf(name, version)}/stats`;
    return (await this.#json("GET", path, undefined, options) as { model_stats: JsonRecord[] }).model_stats;
  }

  async index(ready: boolean, options: CallOptions): Promise<readonly IndexEntry[]> {
    return await this.#json("POST", "/v2/repository/index", JSON.stringify({ ready }), options) as IndexEntry[];
  }

  async load(name: string, { config, files }: LoadParameters, options: CallOptions): Promise<void> {
    const contents = Object.entries(files).map(([path, bytes]) => [`file:${path}`, base64Encode(bytes)]);
    const parameters = { config, ...Object.fromEntries(contents) };
    await this.#json("POST", `${repositoryPath(name)}/load`, JSON.stringify({ parameters }), options);
  }

  async unload(name: string, dependents: boolean, options: CallOptions): Promise<void> {
    const body = JSON.stringify({ parameters: { unload_dependents: dependents } });
    await this.#json("POST", `${repositoryPath(name)}/unload`, body, options);
  }

  async infer(call: InferCall): Promise<InferAnswer> {
    return await this.#within(call.options, async (signal) => {
      const response = await this.#post(call, call.options.binary ?? true, signal, {});
      const body = new Uint8Array(await response.arrayBuffer());
      const length = response.headers.get("inference-header-content-length");
      return decodeAnswer(body, length === null ? body.length : Number(length));
    });
  }

  async *stream(call: InferCall): AsyncGenerator<InferAnswer, void, undefined> {
    const controller = new AbortController();
    const { signal, timeoutMs } = call.options;
    const stop = () => controller.abort(signal?.reason);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
    const late = () => controller.abort(new ConnectError("Cannot stream: the call ran out of time", Code.DeadlineExceeded));
    const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
    try {
      const response = await this.#post(call, false, controller.signal, { accept: "application/x-ndjson, application/json" });
      yield* answersOf(response);
    } catch (error) {
      throw controller.signal.aborted ? abortError(controller.signal) : failureOf(error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      controller.abort();
    }
  }

  close(): void {}

  async #post(
    { model, inputs, options }: InferCall,
    binary: boolean,
    signal: AbortSignal | undefined,
    extra: Readonly<Record<string, string>>,
  ): Promise<Response> {
    const { parts, jsonLength } = encodeCall({ model, inputs, options: { ...options, binary } });
    const blob = new Blob(parts as Uint8Array<ArrayBuffer>[]);
    const headers = new Headers(this.#options.headers);
    for (const [name, value] of Object.entries(extra)) headers.set(name, value);
    headers.set("content-type", jsonLength === undefined ? "application/json" : "application/octet-stream");
    if (jsonLength !== undefined) headers.set("inference-header-content-length", String(jsonLength));
    let body: BodyInit = blob;
    if (options.compress !== undefined) {
      headers.set("content-encoding", options.compress);
      body = await new Response(blob.stream().pipeThrough(new CompressionStream(options.compress))).arrayBuffer();
    }
    const path = `${pathOf(model, String(options.version ?? ""))}/infer`;
    return await this.#fetch(path, { method: "POST", headers, body, signal });
  }

  async #ok(path: string, options: CallOptions): Promise<boolean> {
    return await this.#within(options, async (signal) => {
      const response = await this.#send(path, { headers: this.#options.headers, signal });
      await response.body?.cancel();
      // A server that is not ready says so; one behind a lock does not.
      if (response.status !== 401 && response.status !== 403) return response.status === 200;
      throw new ConnectError(`The server answered ${response.status}`, CODES[response.status]!);
    });
  }

  async #json(method: string, path: string, body: string | undefined, options: CallOptions): Promise<unknown> {
    return await this.#within(options, async (signal) => {
      const response = await this.#fetch(path, { method, headers: this.#options.headers, body, signal });
      const bytes = new Uint8Array(await response.arrayBuffer());
      return bytes.length === 0 ? undefined : scanJson(bytes);
    });
  }

  /** An answer of status 200; others are errors. */
  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const response = await this.#send(path, init);
    if (response.status === 200) return response;
    const text = await response.text();
    throw new ConnectError(
      messageOf(text) ?? `The server answered ${response.status}`,
      CODES[response.status] ?? Code.Internal,
    );
  }

  #send(path: string, init: RequestInit): Promise<Response> {
    // Called apart from its options: browsers' fetch wants no other this.
    const { fetch, baseUrl } = this.#options;
    return fetch(baseUrl + path, init);
  }

  #within<T>(options: CallOptions, work: (signal: AbortSignal | undefined) => Promise<T>): Promise<T> {
    return withDeadline("Cannot call the server", options, async (signal) => {
      try {
        return await work(signal);
      } catch (error) {
        throw signal?.aborted ? abortError(signal) : failureOf(error);
      }
    });
  }
}

async function* answersOf(response: Response): AsyncGenerator<InferAnswer, void> {
  const isLines = response.headers.get("content-type")?.includes("ndjson") === true;
  let rest = new Uint8Array(0);
  const read = (line: Uint8Array) => {
    const message = messageOf(new TextDecoder().decode(line));
    if (message !== undefined) throw new ConnectError(message, Code.Internal);
    return decodeAnswer(line, line.length);
  };
  for await (const piece of piecesOf(response.body)) {
    const joined = new Uint8Array(rest.length + piece.length);
    joined.set(rest);
    joined.set(piece, rest.length);
    let from = 0;
    for (let to = joined.indexOf(10); isLines && to >= 0; to = joined.indexOf(10, from)) {
      yield read(joined.subarray(from, to));
      from = to + 1;
    }
    rest = joined.subarray(from);
  }
  if (rest.length > 0) yield read(rest);
}

/** The text of an error's body. */
function messageOf(text: string): string | undefined {
  if (!text.startsWith('{"error"')) return undefined;
  try {
    return String((JSON.parse(text) as { error: unknown }).error);
  } catch {
    return undefined;
  }
}

function failureOf(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new ConnectError(`Cannot reach the server: ${reason}`, Code.Unavailable, undefined, undefined, error);
}

function pathOf(model: string, version: string): string {
  return `/v2/models/${encodeURIComponent(model)}${version === "" ? "" : `/versions/${encodeURIComponent(version)}`}`;
}

function repositoryPath(model: string): string {
  return `/v2/repository/models/${encodeURIComponent(model)}`;
}
