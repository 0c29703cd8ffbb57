import { base64Decode } from "@bufbuild/protobuf/wire";
import { type DType, DTYPE_BYTES, encodeElements, type InferParameters, isDType } from "../../tensor/mod.ts";
import { countOf } from "../check-request.ts";
import { invalid, requestPrefix } from "../errors.ts";
import type { InputTensor, ModelFacts, ModelRequest } from "../host.ts";
import { elementsToBytes } from "../json/elements.ts";
import { type Json, type JsonObject, JsonSlice, scanJson } from "../json/scanner.ts";
import type { KServeLimits } from "../limits.ts";
import type { OutputWant } from "../outputs.ts";
import { regionOf, type RegionPart } from "../shared-parts.ts";
import { asArray, asBoolean, asSize, asText, failed, isObject, parametersOf, requestParameters, required } from "./members.ts";
import { rawRequest } from "./raw-request.ts";

/** An input whose bytes may be in the client's memory. */
export interface DecodedInput extends InputTensor {
  /** Where they are; `bytes` are none then. */
  readonly region?: RegionPart;
}

/** A request, and how its answer is to be written. */
export interface DecodedRequest {
  readonly request: ModelRequest & { readonly inputs: readonly DecodedInput[] };
  readonly wants: readonly OutputWant[];
  /** Whether outputs of which nothing is said come as bytes. */
  readonly binary: boolean;
}

/** Reads raw bytes behind the JSON, in the order of the inputs. */
class Tail {
  readonly #bytes: Uint8Array;
  readonly #model: string;
  #at = 0;

  constructor(bytes: Uint8Array, model: string) {
    this.#bytes = bytes;
    this.#model = model;
  }

  take(name: string, size: number): Uint8Array {
    const left = this.#bytes.length - this.#at;
    if (size > left) {
      throw invalid(
        `unexpected size for input '${name}', expecting ${size - left} additional bytes for model '${this.#model}'`,
      );
    }
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  end(): void {
    if (this.#at < this.#bytes.length) throw invalid(`unexpected additional input data for model '${this.#model}'`);
  }
}

/**
 * Reads the body of `infer`. Tensors in binary show the body's own bytes.
 *
 * @param headerLength the header `Inference-Header-Content-Length`; `null` for none
 * @throws {ConnectError} `invalid_argument` in Triton's words
 */
export function decodeRequest(
  facts: ModelFacts,
  version: string,
  body: Uint8Array,
  headerLength: string | null,
  limits: KServeLimits,
): DecodedRequest {
  const jsonLength = jsonLengthOf(headerLength, body.length);
  if (jsonLength === 0) return rawRequest(facts, version, body);
  if (jsonLength > limits.maxJsonBytes) {
    throw invalid(
      `request JSON size of ${jsonLength} bytes exceeds the maximum allowed input size of ${limits.maxJsonBytes} bytes. ` +
        "Use --http-max-input-size to increase the limit.",
    );
  }
  const root = scanJson(body.subarray(0, jsonLength), { sliced: "data" });
  const object: JsonObject = isObject(root) ? root : {};
  const id = object.id === undefined ? "" : asText("id", object.id);
  const parameters = requestParameters(object);
  const tail = new Tail(body.subarray(jsonLength), facts.name);
  const inputs: DecodedInput[] = [];
  for (const input of asArray("inputs", required(object, "inputs"))) {
    inputs.push(decodeInput(isObject(input) ? input : {}, inputs, id, tail));
  }
  tail.end();
  const wants = object.outputs === undefined ? [] : asArray("outputs", object.outputs).map(decodeWant);
  return {
    request: requestOf(facts, version, id, parameters, inputs, wants),
    wants,
    binary: parameters.binary_data_output === true,
  };
}

/** A request from its parts. */
export function requestOf(
  facts: ModelFacts,
  version: string,
  id: string,
  parameters: InferParameters,
  inputs: readonly DecodedInput[],
  wants: readonly OutputWant[],
): DecodedRequest["request"] {
  const outputs = [...new Set(wants.map(({ name }) => name))];
  return { model: facts.name, version, id, parameters, inputs, outputs, byReference: parameters.waybill === true };
}

function jsonLengthOf(header: string | null, bodyLength: number): number {
  if (header === null) return bodyLength;
  // Triton reads what is no number as 0: a raw request.
  if (!/^\s*-?[0-9]+\s*$/.test(header)) return 0;
  const length = Number(header);
  if (length >= 0 && length <= bodyLength) return length;
  throw invalid(`inference header size should be in range (0, ${bodyLength}), got: ${header.trim()}`);
}

function decodeInput(input: JsonObject, others: readonly DecodedInput[], id: string, tail: Tail): DecodedInput {
  const parameters = parametersOf(input);
  const sources = [
    input.data === undefined ? "" : "'data'",
    parameters?.binary_data_size === undefined ? "" : "'binary_data_size'",
    parameters?.shared_memory_region === undefined ? "" : "'shared_memory_region'",
  ].filter((source) => source !== "");
  if (sources.length !== 1) {
    throw invalid(
      "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in " +
        `'parameters'. But ${sources.length === 0 ? "no field is set" : `set ${sources.join(" ")}`}`,
    );
  }
  const name = asText("name", required(input, "name"));
  const datatype = asText("datatype", required(input, "datatype"));
  if (!isDType(datatype)) throw invalid(`invalid datatype for input ${name}`);
  const shape = asArray("shape", required(input, "shape")).map((dim) => asSize("shape", dim));
  if (others.some((other) => other.name === name)) {
    throw invalid(`${requestPrefix(id)}input '${name}' already exists in request`);
  }
  const head = { name, datatype, shape };
  if (parameters?.binary_data_size !== undefined) {
    return { ...head, bytes: tail.take(name, asSize("binary_data_size", parameters.binary_data_size)) };
  }
  if (input.data === undefined) {
    const region = regionOf(parameters as InferParameters);
    return { ...head, bytes: new Uint8Array(0), region };
  }
  return { ...head, bytes: jsonBytes(datatype, name, shape, input.data, parameters?.base64 === true) };
}

function jsonBytes(dtype: DType, name: string, shape: readonly number[], data: Json, base64: boolean): Uint8Array {
  if (!(data instanceof JsonSlice)) throw failed("data", "attempt to access JSON non-array as array");
  const count = countOf(shape);
  if (data.count !== count) throw failed("data", "Shape does not match true shape of 'data' field");
  if (count * DTYPE_BYTES[dtype] > Number.MAX_SAFE_INTEGER) throw failed("data", "it is too large");
  const bytes = elementsToBytes(dtype, name, data);
  return base64 && dtype === "BYTES" ? fromBase64(name, bytes) : bytes;
}

function fromBase64(name: string, bytes: Uint8Array): Uint8Array {
  const decoder = new TextDecoder();
  const elements: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at, true);
    try {
      elements.push(base64Decode(decoder.decode(bytes.subarray(at + 4, at + 4 + length) as Uint8Array<ArrayBuffer>)));
    } catch (cause) {
      throw invalid(`Unable to parse 'data': element ${elements.length} of input '${name}' is not Base64`, cause);
    }
    at += 4 + length;
  }
  return encodeElements(elements);
}

function decodeWant(output: Json): OutputWant {
  const object: JsonObject = isObject(output) ? output : {};
  const name = asText("name", required(object, "name"));
  const parameters = parametersOf(object);
  if (parameters === undefined) return { name };
  const region = regionOf(parameters as InferParameters);
  const classes = parameters.classification === undefined ? 0 : classesOf(parameters.classification);
  if (region !== undefined && parameters.classification !== undefined) {
    throw invalid("Output can't set both 'shared_memory_region' and 'classification'");
  }
  const binary = parameters.binary_data === undefined ? undefined : asBoolean("binary_data", parameters.binary_data);
  // NVIDIA's own client says false here.
  if (region !== undefined && binary === true) {
    throw invalid("Output can't set both 'shared_memory_region' and 'binary_data'");
  }
  return { name, region, classes, binary, base64: parameters.base64 === true };
}

function classesOf(value: Json): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw invalid(
    "Unable to set 'classification': attempt to access JSON non-unsigned-integer as unsigned-integer",
  );
}
