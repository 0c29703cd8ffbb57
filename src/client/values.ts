import { Code, ConnectError } from "@connectrpc/connect";
import { isRemoteTensor, type RemoteTensor } from "../data/remote-tensor.ts";
import { type DType, isTensor, isTypedArray, Tensor, type TypedArray } from "../tensor/mod.ts";

/** A tensor wherever its bytes are: both kinds have a dtype, a shape and `fetch()`. */
export type AnyTensor<D extends DType = DType> = Tensor<D> | RemoteTensor<D>;

/** What may be given as an input or an output: a tensor, a remote one to forward, or a typed array as a rank-1 tensor. */
export type TensorValue = AnyTensor | TypedArray;

/** Inputs by name; `undefined` counts as left out. */
export type InferInputs = Readonly<Record<string, TensorValue | undefined>>;

/** Outputs by name. */
export type InferOutputs = Readonly<Record<string, AnyTensor>>;

/**
 * Values as tensors; what was left out is gone.
 *
 * @throws {ConnectError} `invalid_argument` naming the value that is none
 */
export function toTensors(label: string, values: InferInputs): Record<string, AnyTensor> {
  const tensors: Record<string, AnyTensor> = {};
  for (const name in values) {
    const value = values[name];
    if (value === undefined) continue;
    if (isTensor(value) || isRemoteTensor(value)) tensors[name] = value;
    else if (isTypedArray(value)) tensors[name] = Tensor.from(value);
    else {
      throw new ConnectError(
        `Cannot use ${label}: "${name}" must be a Tensor, a RemoteTensor or a typed array, got ${describe(value)}`,
        Code.InvalidArgument,
      );
    }
  }
  return tensors;
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return `an array; Tensor.from(dtype, array) makes a tensor of it`;
  return value === null ? "null" : `a value of type ${typeof value}`;
}
