/**
 * Tensors as JSON, for people and for programs that want no bytes. KServe's REST form is another one.
 *
 * @module
 */
import { base64Encode } from "@bufbuild/protobuf/wire";
import type { DType } from "./dtype.ts";
import type { Tensor } from "./tensor.ts";

/**
 * One element: booleans for BOOL; numbers, and for what JSON's numbers cannot hold, strings (64-bit integers past 2^53 - 1 in
 * decimal, `"NaN"`, `"Infinity"`, `"-Infinity"`); for BYTES text, or Base64 where the bytes are no UTF-8.
 */
export type TensorJsonElement = number | boolean | string | { readonly base64: string };

/** A tensor as JSON. */
export interface TensorJson {
  /** What the elements are. */
  readonly dtype: DType;
  /** The dimensions; none for a scalar. */
  readonly shape: readonly number[];
  /** The elements, flat and row-major. */
  readonly data: readonly TensorJsonElement[];
}

/** A tensor as a value that `JSON.stringify` keeps as it is. */
export function tensorToJson(tensor: Tensor): TensorJson {
  return { dtype: tensor.dtype, shape: tensor.shape, data: elementsToJson(tensor) };
}

function elementsToJson(tensor: Tensor): TensorJsonElement[] {
  switch (tensor.dtype) {
    case "BOOL":
      return Array.from(tensor.bytes, (byte) => byte !== 0);
    case "INT64":
    case "UINT64":
      return Array.from(tensor.data as BigInt64Array | BigUint64Array, (value) => {
        const number = Number(value);
        return Number.isSafeInteger(number) ? number : String(value);
      });
    case "BYTES": {
      const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      return tensor.elements().map((element) => {
        try {
          return decoder.decode(new Uint8Array(element));
        } catch {
          return { base64: base64Encode(element) };
        }
      });
    }
    default:
      return tensor.toNumbers().map((value) => (Number.isFinite(value) ? value : String(value)));
  }
}
