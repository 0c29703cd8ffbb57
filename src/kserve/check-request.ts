import { DTYPE_BYTES, isDType, visitElements } from "../tensor/mod.ts";
import { invalid, requestPrefix } from "./errors.ts";
import type { InputTensor, ModelFacts, ModelRequest, TensorFacts } from "./host.ts";

const BATCH_NOTE =
  "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to " +
  "each input shape. If you want to specify the full shape including the batch dim in your input dims config, try setting " +
  "max_batch_size to zero. See the model configuration docs for more info on max_batch_size.";

/**
 * Checks a request against what its model takes, in Triton's order and words. What is not known of the model is not checked.
 *
 * @throws {ConnectError} `invalid_argument`
 */
export function checkRequest(facts: ModelFacts, request: ModelRequest): void {
  const { name: model, maxBatchSize } = facts;
  const prefix = requestPrefix(request.id);
  for (const name of request.outputs) {
    if (facts.outputs !== undefined && !facts.outputs.some((output) => output.name === name)) {
      throw invalid(`unexpected inference output '${name}' for model '${model}'`);
    }
  }
  // Triton keeps inputs in a map whose order is the other way round, which shows in whom it names.
  const inputs = request.inputs.toReversed();
  const wanted = facts.inputs ?? request.inputs.map(assumed);
  checkCount(prefix, model, wanted, inputs);
  const byName = new Map(wanted.map((input) => [input.name, input]));
  let batch: number | undefined;
  for (const { name, shape } of inputs) {
    if (!byName.has(name)) throw invalid(`unexpected inference input '${name}' for model '${model}'`);
    if (maxBatchSize === 0) continue;
    batch ??= shape[0] ?? 0;
    if (shape[0] !== batch) throw invalid(`${prefix}input '${name}' batch size does not match other inputs for '${model}'`);
  }
  if (batch !== undefined && batch > maxBatchSize) {
    throw invalid(`${prefix}inference request batch-size must be <= ${maxBatchSize} for '${model}'`);
  }
  for (const input of request.inputs) checkInput(prefix, facts, byName.get(input.name)!, input);
}

function assumed({ name, datatype, shape }: InputTensor): TensorFacts {
  if (!isDType(datatype)) throw invalid(`invalid datatype for input ${name}`);
  return { name, dtype: datatype, dims: shape.map(() => -1) };
}

function checkCount(prefix: string, model: string, wanted: readonly TensorFacts[], given: readonly InputTensor[]): void {
  const required = wanted.filter(({ optional }) => optional !== true);
  if (given.length >= required.length && given.length <= wanted.length) {
    if (given.length === wanted.length) return;
    if (required.every(({ name }) => given.some((input) => input.name === name))) return;
  }
  const missing = required.filter(({ name }) => !given.some((input) => input.name === name));
  const quoted = (tensors: readonly { name: string }[]) => tensors.map(({ name }) => `'${name}'`).join(",");
  const expected = required.length === wanted.length
    ? `expected ${wanted.length} inputs but got ${given.length} inputs`
    : `expected number of inputs between ${required.length} and ${wanted.length} but got ${given.length} inputs`;
  throw invalid(
    `${prefix}${expected} for model '${model}'. Got input(s) [${quoted(given)}], but missing required input(s) ` +
      // The odd bracket is Triton's.
      `${missing.length === 0 ? "]" : `[${quoted(missing)}]`}. Please provide all required input(s).`,
  );
}

function checkInput(prefix: string, facts: ModelFacts, wanted: TensorFacts, input: InputTensor): void {
  const { name: model, maxBatchSize } = facts;
  const { name, datatype, shape, bytes } = input;
  if (datatype !== wanted.dtype) {
    throw invalid(
      `${prefix}inference input '${name}' data-type is '${datatype}', but model '${model}' expects '${wanted.dtype}'`,
    );
  }
  if (shape.some((dim) => dim < 0)) {
    throw invalid(`${prefix}All input dimensions should be specified for input '${name}' for model '${model}', got [${shape}]`);
  }
  const dims = fullShape(facts, wanted);
  if (dims.length !== shape.length || dims.some((dim, i) => dim !== -1 && dim !== shape[i])) {
    throw invalid(
      `${prefix}unexpected shape for input '${name}' for model '${model}'. Expected [${dims}], got [${shape}]. ` +
        (maxBatchSize > 0 ? BATCH_NOTE : ""),
    );
  }
  const count = countOf(shape);
  if (count === undefined) {
    throw invalid(
      `invalid shape for input '${name}': shape [${shape}] causes total element count to exceed maximum size of ${2 ** 53 - 1}`,
    );
  }
  if (wanted.dtype === "BYTES") {
    const elements = countElements(name, bytes);
    if (elements === count) return;
    throw invalid(
      `${prefix}expected ${count} string elements for inference input '${name}' for model '${model}', got ${elements}`,
    );
  }
  const size = count * DTYPE_BYTES[wanted.dtype];
  if (bytes.length === size) return;
  throw invalid(
    `${prefix}input byte size mismatch for input '${name}' for model '${model}'. Expected ${size}, got ${bytes.length}`,
  );
}

/** A tensor's dimensions as requests have them: with the batch one. */
export function fullShape({ maxBatchSize }: ModelFacts, { dims }: TensorFacts): readonly number[] {
  return maxBatchSize > 0 ? [-1, ...dims] : dims;
}

/** Elements of a shape; `undefined` for more than can be counted. */
export function countOf(shape: readonly number[]): number | undefined {
  const count = shape.includes(0) ? 0 : shape.reduce((product, dim) => product * dim, 1);
  return Number.isSafeInteger(count) ? count : undefined;
}

function countElements(name: string, bytes: Uint8Array): number {
  let count = 0;
  let end = 0;
  try {
    return visitElements(bytes, (_, to) => {
      count++;
      end = to;
    });
  } catch {
    const left = bytes.length - end;
    if (left < 4) {
      throw invalid(
        `incomplete string length indicator for inference input '${name}', expecting 4 bytes but only ${left} bytes available. ` +
          "Please make sure the string length indicator is in one buffer.",
      );
    }
    const length = new DataView(bytes.buffer, bytes.byteOffset + end).getUint32(0, true);
    throw invalid(
      `incomplete string data for inference input '${name}', expecting string of length ${length} ` +
        `but only ${left - 4} bytes available`,
    );
  }
}
