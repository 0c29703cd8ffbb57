import { Tensor, type TensorSource } from "../../tensor/mod.ts";
import { fullShape } from "../check-request.ts";
import { invalid } from "../errors.ts";
import type { ModelFacts, TensorFacts } from "../host.ts";
import { type Json, type JsonObject, scanJson } from "../json/scanner.ts";
import type { DecodedInput, DecodedRequest } from "./decode.ts";
import { requestOf } from "./decode.ts";
import { asText, isObject, parameterOf } from "./members.ts";

/**
 * Reads the body of `generate`: members that are inputs become tensors, all others parameters; those of `parameters` likewise.
 *
 * @throws {ConnectError} `invalid_argument` in Triton's words
 */
export function decodeGenerate(facts: ModelFacts, version: string, body: Uint8Array): DecodedRequest {
  const root = scanJson(body);
  if (!isObject(root)) throw invalid("Expected JSON object for the request body");
  const inputs: DecodedInput[] = [];
  const parameters: Record<string, ReturnType<typeof parameterOf>> = {};
  let id = "";
  const take = (members: JsonObject) => {
    for (const name in members) {
      const value = members[name]!;
      const input = facts.inputs?.find((one) => one.name === name);
      if (input !== undefined) inputs.push(toInput(facts, input, value));
      else if (name === "id") id = asText("id", value);
      else if (name !== "parameters") parameters[name] = parameterOf(name, value);
      else if (isObject(value)) take(value);
      else throw invalid("Expected JSON object for keyword: 'parameters': attempt to get members for non-object");
    }
  };
  take(root);
  return { request: requestOf(facts, version, id, parameters, inputs, []), wants: [], binary: false };
}

function toInput(facts: ModelFacts, input: TensorFacts, value: Json): DecodedInput {
  const { name, dtype } = input;
  const values = Array.isArray(value) ? value as readonly Json[] : [value];
  let tensor: Tensor;
  try {
    tensor = Tensor.from(dtype, values as TensorSource, [values.length]);
  } catch (cause) {
    throw invalid(`Unable to parse '${name}': its elements must be ${dtype} values, in an array that is not nested`, cause);
  }
  return { name, datatype: dtype, shape: shapeFor(facts, input, values.length), bytes: tensor.bytes };
}

/** The innermost dimension of any size takes what the fixed ones leave, the others are 1. */
function shapeFor(facts: ModelFacts, input: TensorFacts, count: number): number[] {
  const shape = [...fullShape(facts, input)];
  const innermost = shape.lastIndexOf(-1);
  const fixed = shape.reduce((product, dim) => (dim === -1 ? product : product * dim), 1);
  const fits = innermost < 0 ? count === fixed : fixed > 0 && count % fixed === 0;
  if (!fits) throw invalid(`The schema can not convert input '${input.name}' to tensor with proper shape`);
  return shape.map((dim, i) => (dim !== -1 ? dim : i === innermost ? count / fixed : 1));
}
