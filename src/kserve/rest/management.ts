import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { ModelStatisticsResponseSchema } from "../../../gen/inference/management_pb.ts";
import { ModelConfigSchema } from "../../../gen/inference/model_config_pb.ts";
import { create } from "@bufbuild/protobuf";
import { invalid, unsupported } from "../errors.ts";
import type { HostCallOptions, LoadParameters } from "../host.ts";
import { messageToJson } from "../json/message.ts";
import { type Json, type JsonObject, scanJson } from "../json/scanner.ts";
import { tensorMetadata, versionsShown } from "../metadata.ts";
import type { Serving } from "../serving.ts";
import type { ServerSettings, TracePatch } from "../settings.ts";
import { emptyAnswer, jsonAnswer } from "./answers.ts";
import { asSize, asText, isObject, required } from "./members.ts";

/** Answers of what is not inference. */
export class Management {
  readonly #serving: Serving;
  readonly #settings: ServerSettings;

  constructor(serving: Serving, settings: ServerSettings) {
    this.#serving = serving;
    this.#settings = settings;
  }

  serverMetadata(): Response {
    const { host: { name, version }, extensions } = this.#serving;
    return jsonAnswer(JSON.stringify({ name, version, extensions }));
  }

  async health(check: string, options: HostCallOptions): Promise<Response> {
    const ok = check === "live" || await this.#serving.host.ready(options);
    return emptyAnswer(ok ? 200 : 400);
  }

  async modelReady(model: string, version: string, options: HostCallOptions): Promise<Response> {
    try {
      await this.#serving.host.model(model, version, options);
      return emptyAnswer();
    } catch {
      throw invalid("Model version not ready");
    }
  }

  async metadata(model: string, version: string, options: HostCallOptions): Promise<Response> {
    const facts = await this.#serving.host.model(model, version, options);
    return jsonAnswer(JSON.stringify({
      name: facts.name,
      versions: versionsShown(facts, version),
      platform: facts.platform,
      inputs: tensorMetadata(facts, facts.inputs),
      outputs: tensorMetadata(facts, facts.outputs),
    }));
  }

  async config(model: string, version: string, options: HostCallOptions): Promise<Response> {
    return jsonAnswer(messageToJson(ModelConfigSchema, await this.#serving.host.config(model, version, options)));
  }

  async statistics(model: string, version: string, options: HostCallOptions): Promise<Response> {
    const modelStats = await this.#serving.host.statistics(model, version, options);
    return jsonAnswer(messageToJson(ModelStatisticsResponseSchema, create(ModelStatisticsResponseSchema, { modelStats })));
  }

  async index(body: Uint8Array, options: HostCallOptions): Promise<Response> {
    const { ready = false } = objectOf(body);
    if (typeof ready !== "boolean") throw invalid("Invalid value for 'ready': expected a boolean");
    const entries = await this.#serving.host.index(options);
    const shown = entries.filter(({ state }) => !ready || state === "READY");
    return jsonAnswer(JSON.stringify(shown.map(({ name, version, state, reason }) => ({ name, version, state, reason }))));
  }

  async change(change: string, model: string, body: Uint8Array, options: HostCallOptions): Promise<Response> {
    const { control } = this.#serving;
    const { parameters } = objectOf(body);
    const given = isObject(parameters) ? parameters : {};
    if (change === "load") await control.load(model, loadParameters(given), options);
    else await control.unload(model, { ...options, dependents: given.unload_dependents === true });
    return emptyAnswer();
  }

  async memoryStatus(kind: string, region: string | undefined): Promise<Response> {
    const { memory } = this.#serving;
    if (kind === "cuda") return jsonAnswer("[]");
    const regions = await memory.status(region);
    return jsonAnswer(
      JSON.stringify(regions.map(({ name, key, offset, byteSize }) => ({ name, key, offset, byte_size: byteSize }))),
    );
  }

  async memoryRegister(kind: string, region: string | undefined, body: Uint8Array): Promise<Response> {
    const { memory } = this.#serving;
    if (kind === "cuda") throw unsupported("CUDA shared memory is not supported by this server");
    if (region === undefined) throw invalid("'region name' is necessary to register system shared memory region");
    const object = objectOf(body);
    for (const field of ["key", "byte_size"]) {
      if (object[field] === undefined) throw invalid(`Shared memory register request has no '${field}' field`);
    }
    await memory.register({
      name: region,
      key: asText("key", required(object, "key")),
      offset: object.offset === undefined ? 0 : asSize("offset", object.offset),
      byteSize: asSize("byte_size", required(object, "byte_size")),
    });
    return emptyAnswer();
  }

  async memoryUnregister(kind: string, region: string | undefined): Promise<Response> {
    const { memory } = this.#serving;
    if (kind !== "cuda") await memory.unregister(region);
    return emptyAnswer();
  }

  async trace(model: string, body: Uint8Array, options: HostCallOptions): Promise<Response> {
    if (model !== "") await this.knownForTrace(model, options);
    return jsonAnswer(JSON.stringify(this.#settings.trace(model, tracePatch(objectOf(body)))));
  }

  logging(body: Uint8Array): Response {
    return jsonAnswer(JSON.stringify(this.#settings.log(objectOf(body))));
  }

  /** Throws for a model that is not there. */
  async knownForTrace(model: string, options: HostCallOptions): Promise<void> {
    const known = (await this.#serving.host.index(options)).some(({ name }) => name === model);
    if (!known) throw invalid(`Request for unknown model : ${model}`);
  }
}

function objectOf(body: Uint8Array): JsonObject {
  if (body.length === 0) return {};
  const root = scanJson(body);
  return isObject(root) ? root : {};
}

function tracePatch(object: JsonObject): TracePatch {
  return Object.fromEntries(
    Object.entries(object).map(([name, value]) => {
      if (value === null || value === undefined) return [name, null];
      return [name, Array.isArray(value) ? (value as readonly Json[]).map(String) : [String(value)]];
    }),
  );
}

function loadParameters(given: JsonObject): LoadParameters {
  let config: string | undefined;
  const files: Record<string, Uint8Array> = {};
  for (const name in given) {
    const value = given[name]!;
    if (typeof value !== "string") {
      throw new ConnectError("unexpected error on creating Triton parameter", Code.InvalidArgument);
    }
    if (name === "config") config = value;
    else if (name.startsWith("file:")) files[checkedFile(name.slice(5))] = decodedFile(name, value);
    else throw new ConnectError("unexpected error on creating Triton parameter", Code.InvalidArgument);
  }
  return { config, files };
}

/** A file's place within the model's folder. */
export function checkedFile(path: string): string {
  const bad = path === "" || path.startsWith("/") || path.includes("\0") || path.split("/").includes("..");
  if (!bad) return path;
  throw invalid(`Invalid file path: it must stay within the model's directory, got '${path.replaceAll("\0", "\\0")}'`);
}

function decodedFile(name: string, value: string): Uint8Array {
  try {
    return base64Decode(value);
  } catch (cause) {
    throw invalid(`Unable to decode the content of '${name}': it must be Base64`, cause);
  }
}
