import { Code, ConnectError } from "@connectrpc/connect";
import {
  DESCRIPTOR_PARAMETER,
  type DType,
  type InferParameters,
  isDType,
  type ParameterValue,
  Tensor,
} from "../../tensor/mod.ts";
import { elementsToBytes } from "../json/elements.ts";
import { type Json, JsonSlice, scanJson } from "../json/scanner.ts";
import { elementsToJson, objectToJson, parameterToJson } from "../json/write.ts";
import { isObject } from "../rest/members.ts";
import { callOutputs, callParameters, type InferAnswer, type InferCall } from "./backend.ts";

/** A request's body, and how long its JSON is where bytes follow. */
export interface RestBody {
  readonly parts: readonly Uint8Array[];
  readonly jsonLength: number | undefined;
}

/** Writes the body of `infer`. */
export function encodeCall({ inputs, options }: InferCall): RestBody {
  const { id = "", binary = true } = options;
  const tail: Uint8Array[] = [];
  const tensors = Object.entries(inputs).map(([name, tensor]) => {
    if (binary) tail.push(tensor.bytes);
    return objectToJson([
      ["name", JSON.stringify(name)],
      ["datatype", JSON.stringify(tensor.dtype)],
      ["shape", `[${tensor.shape}]`],
      ["parameters", binary ? `{"binary_data_size":${tensor.byteLength}}` : undefined],
      ["data", binary ? undefined : `[${elementsToJson(name, tensor).join(",")}]`],
    ]);
  });
  const parameters = { ...callParameters(options), ...(binary ? { binary_data_output: true } : {}) };
  const outputs = callOutputs(options).map(([name, { classes }]) =>
    objectToJson([
      ["name", JSON.stringify(name)],
      ["parameters", classes === undefined ? undefined : `{"classification":${classes},"binary_data":${binary}}`],
    ])
  );
  const json = new TextEncoder().encode(objectToJson([
    ["id", id === "" ? undefined : JSON.stringify(id)],
    ["parameters", objectToJson(Object.entries(parameters).map(([name, value]) => [name, parameterToJson(value)] as const))],
    ["inputs", `[${tensors.join(",")}]`],
    ["outputs", outputs.length === 0 ? undefined : `[${outputs.join(",")}]`],
  ]));
  return { parts: [json, ...tail], jsonLength: binary ? json.length : undefined };
}

/**
 * Reads the body of an answer of `infer`. Tensors that came as bytes show the body's own.
 *
 * @throws {ConnectError} `internal` where the server broke the protocol
 */
export function decodeAnswer(body: Uint8Array, jsonLength: number): InferAnswer {
  const root = scanJson(body.subarray(0, jsonLength), { sliced: "data" });
  if (!isObject(root) || !Array.isArray(root.outputs)) throw broken("an object with outputs");
  const outputs: Record<string, Tensor> = {};
  const waybills: Record<string, string> = {};
  let at = jsonLength;
  for (const output of root.outputs as readonly Json[]) {
    if (!isObject(output) || typeof output.name !== "string" || !isDType(output.datatype) || !Array.isArray(output.shape)) {
      throw broken("outputs with name, datatype and shape");
    }
    const shape = (output.shape as readonly Json[]).map(Number);
    const parameters = isObject(output.parameters) ? output.parameters : {};
    const descriptor = parameters[DESCRIPTOR_PARAMETER];
    if (typeof descriptor === "string") {
      waybills[output.name] = descriptor;
      continue;
    }
    const size = parameters.binary_data_size;
    let bytes: Uint8Array;
    if (typeof size === "number") {
      bytes = body.subarray(at, at + size);
      at += size;
    } else if (output.data instanceof JsonSlice) bytes = elementsToBytes(output.datatype as DType, output.name, output.data);
    else throw broken(`the elements of output "${output.name}"`);
    outputs[output.name] = new Tensor(output.datatype as DType, shape, bytes);
  }
  return {
    model: String(root.model_name ?? ""),
    version: String(root.model_version ?? ""),
    id: typeof root.id === "string" ? root.id : "",
    parameters: isObject(root.parameters) ? parametersOf(root.parameters) : {},
    outputs,
    waybills,
  };
}

function parametersOf(object: Readonly<Record<string, Json | undefined>>): InferParameters {
  const simple = (value: unknown): value is ParameterValue => ["string", "number", "bigint", "boolean"].includes(typeof value);
  return Object.fromEntries(
    Object.entries(object).filter((entry): entry is [string, ParameterValue] => simple(entry[1])),
  );
}

function broken(wanted: string): ConnectError {
  return new ConnectError(`Cannot read the answer: it must have ${wanted}, got something else`, Code.Internal);
}
