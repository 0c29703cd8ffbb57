import type {
  InferTensorContents,
  ModelInferRequest,
  ModelInferRequest_InferInputTensor,
} from "../../../gen/inference/grpc_service_pb.ts";
import { decodeParameter, type InferParameters, isDType, type WireParameters } from "../../tensor/mod.ts";
import { contentsToBytes } from "../../tensor/kserve-contents.ts";
import { invalid, requestPrefix } from "../errors.ts";
import type { ModelFacts } from "../host.ts";
import type { OutputWant } from "../outputs.ts";
import type { Infer, LocatedInput } from "../serving.ts";
import { regionOf } from "../shared-parts.ts";

/** The request parameter that asks for a last message of a decoupled model. */
export const FINAL_RESPONSE_WANTED = "triton_enable_empty_final_response";

/** Typed contents by the datatypes that they may stand for; the first one names them in errors. */
const CONTENTS: readonly (readonly [keyof InferTensorContents, readonly string[]])[] = [
  ["boolContents", ["BOOL"]],
  ["intContents", ["INT32", "INT16", "INT8"]],
  ["int64Contents", ["INT64"]],
  ["uintContents", ["UINT32", "UINT16", "UINT8"]],
  ["uint64Contents", ["UINT64"]],
  ["fp32Contents", ["FP32"]],
  ["fp64Contents", ["FP64"]],
  ["bytesContents", ["BYTES"]],
];

/**
 * Reads a `ModelInferRequest`. Raw contents are the message's own bytes; entries past the last input are ignored.
 *
 * @throws {ConnectError} `invalid_argument` in Triton's words
 */
export function decodeMessage(facts: ModelFacts, version: string, message: ModelInferRequest): Infer {
  const { id, rawInputContents: raw } = message;
  const parameters = requestParameters(message.parameters);
  const inputs: LocatedInput[] = [];
  let entry = 0;
  for (const input of message.inputs) {
    const region = regionOf(plainParameters(input.parameters));
    const { name } = input;
    if (inputs.some((other) => other.name === name)) {
      throw invalid(`${requestPrefix(id)}input '${name}' already exists in request`);
    }
    const datatype = isDType(input.datatype) ? input.datatype : "<invalid>";
    const head = { name, datatype, shape: input.shape.map(Number), region };
    if (region !== undefined) inputs.push({ ...head, bytes: new Uint8Array(0) });
    else inputs.push({ ...head, bytes: bytesOf(facts.name, input, raw, entry++) });
  }
  const wants = message.outputs.map(({ name, parameters }): OutputWant => {
    const plain = plainParameters(parameters);
    const region = regionOf(plain);
    const classes = Number(plain.classification ?? 0);
    if (region !== undefined && classes > 0) throw invalid("Output can't set both 'shared_memory_region' and 'classification'");
    return { name, region, classes };
  });
  const outputs = [...new Set(wants.map(({ name }) => name))];
  const byReference = parameters.waybill === true;
  return { facts, request: { model: facts.name, version, id, parameters, inputs, outputs, byReference }, wants };
}

function bytesOf(
  model: string,
  { name, datatype, contents }: ModelInferRequest_InferInputTensor,
  raw: readonly Uint8Array[],
  entry: number,
): Uint8Array {
  const filled = contents === undefined ? [] : CONTENTS.filter(([field]) => (contents[field] as unknown[]).length > 0);
  if (raw.length > 0) {
    if (filled.length > 0) {
      throw invalid(`contents field must not be specified when using raw_input_contents for '${name}' for model '${model}'`);
    }
    const bytes = raw[entry];
    if (bytes === undefined) throw noData(name, model);
    return bytes;
  }
  if (contents === undefined) throw noData(name, model);
  const wrong = filled.find(([, datatypes]) => !datatypes.includes(datatype));
  if (wrong !== undefined) {
    throw invalid(
      `unexpected explicit tensor data for input tensor '${name}' for model '${model}' of type '${wrong[1][0]}', ` +
        `expected datatype '${datatype}'`,
    );
  }
  return isDType(datatype) ? contentsToBytes("Cannot decode the request", name, datatype, contents) : new Uint8Array(0);
}

function noData(name: string, model: string): Error {
  return invalid(`unable to find data for input tensor '${name}' for model '${model}' in request.`);
}

function requestParameters(wire: WireParameters): InferParameters {
  for (const [name, { parameterChoice: { case: kind, value } }] of Object.entries(wire)) {
    if (name.startsWith("triton_") && name !== FINAL_RESPONSE_WANTED) {
      throw invalid(
        "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with 'triton_' " +
          `are allowed: ${FINAL_RESPONSE_WANTED}`,
      );
    }
    if (name === "timeout" && kind !== "int64Param") throw wrongKind(name, "int64_param");
    if (name === "priority" && !(kind === "uint64Param" || (kind === "int64Param" && value >= 0n))) {
      throw wrongKind(name, "int64_param or uint64_param");
    }
    if (name === "sequence_id" && kind !== "int64Param" && kind !== "stringParam") {
      throw wrongKind(name, "int64_param or string_param");
    }
    if ((name === "sequence_start" || name === "sequence_end") && kind !== "boolParam") throw wrongKind(name, "bool_param");
  }
  return plainParameters(wire);
}

function wrongKind(name: string, wanted: string): Error {
  return invalid(`invalid value type for '${name}' parameter, expected ${wanted}.`);
}

function plainParameters(wire: WireParameters): InferParameters {
  return Object.fromEntries(Object.entries(wire).map(([name, value]) => [name, decodeParameter(name, value)]));
}
