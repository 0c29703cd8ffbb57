import { DTYPE_BYTES, encodeElements } from "../../tensor/mod.ts";
import { fullShape } from "../check-request.ts";
import { invalid, requestPrefix } from "../errors.ts";
import type { ModelFacts } from "../host.ts";
import type { DecodedRequest } from "./decode.ts";

/**
 * A body that is the bytes of the model's only input, without JSON; its shape follows from their number. Every output comes back
 * as bytes.
 *
 * @throws {ConnectError} `invalid_argument` for a model of more inputs and a shape that cannot be told
 */
export function rawRequest(facts: ModelFacts, version: string, body: Uint8Array): DecodedRequest {
  const { name: model, inputs = [] } = facts;
  const prefix = requestPrefix("");
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw invalid(
      `${prefix}Raw request must only have 1 input (found 1) to be deduced but got ${inputs.length} inputs in '${model}' ` +
        "model configuration",
    );
  }
  const { name, dtype } = input;
  const full = fullShape(facts, input).map((dim, i) => (i === 0 && facts.maxBatchSize > 0 ? 1 : dim));
  let shape: readonly number[] = full;
  let bytes = body;
  if (dtype === "BYTES") {
    if (full.reduce((product, dim) => product * dim, 1) !== 1 && !full.includes(-1)) {
      throw invalid(`${prefix}For BYTE datatype raw input '${name}', the model must have input shape [1]`);
    }
    shape = full.map(() => 1);
    bytes = encodeElements([body]);
  } else {
    const variable = full.filter((dim) => dim === -1).length;
    if (variable > 1) {
      throw invalid(
        `${prefix}The shape of the raw input '${name}' can not be deduced because there are more than one variable-sized dimension`,
      );
    }
    const rest = full.reduce((product, dim) => (dim === -1 ? product : product * dim), 1) * DTYPE_BYTES[dtype];
    shape = full.map((dim) => (dim === -1 ? Math.floor(body.length / Math.max(1, rest)) : dim));
  }
  const request = {
    model,
    version,
    id: "",
    parameters: {},
    inputs: [{ name, datatype: dtype, shape, bytes }],
    outputs: [],
    byReference: false,
  };
  return { request, wants: [], binary: true };
}
