/**
 * JavaScript values as tensor bytes.
 *
 * @module
 */
import { encodeElements } from "./bytes-elements.ts";
import { type DType, dtypeOf, isTypedArray, type TypedArray, viewBytes } from "./dtype.ts";
import { invalidArgument, show, showShape } from "./errors.ts";
import { encodeBf16, encodeFp16 } from "./half.ts";

/** One element. Strings and `Uint8Array`s are for BYTES, booleans for BOOL, numbers and bigints for the rest. */
export type TensorElement = number | bigint | boolean | string | Uint8Array;

/** What a tensor can be made from: one element (a scalar), a typed array, or an array of any of these, to any depth. */
export type TensorSource = TensorElement | TypedArray | readonly TensorSource[];

/** Values as a tensor's content. */
export interface ConvertedSource {
  /** The tensor's bytes; the typed array's own memory where its elements fit as they are. */
  readonly bytes: Uint8Array;
  /** The shape that the nesting shows. */
  readonly shape: readonly number[];
}

const INTEGER_BITS: Partial<Record<DType, number>> = { UINT8: 8, UINT16: 16, UINT32: 32, INT8: 8, INT16: 16, INT32: 32 };

const ACTION = "Cannot make a tensor";

/**
 * Converts values to a dtype, refusing what the dtype cannot hold; only floating point rounds.
 *
 * @throws {ConnectError} `invalid_argument` for an element of the wrong type, an integer out of range and for nested arrays of
 * unequal length
 */
export function convertSource(dtype: DType, source: TensorSource): ConvertedSource {
  if (dtype !== "BYTES" && isTypedArray(source)) return { bytes: convertTypedArray(dtype, source), shape: [source.length] };
  const isList = (value: unknown): value is ArrayLike<unknown> =>
    Array.isArray(value) || (dtype !== "BYTES" && isTypedArray(value));
  if (!isList(source)) return { bytes: convertValues(dtype, [source]), shape: [] };
  const shape: number[] = [];
  for (let level: unknown = source; isList(level); level = level[0]) {
    shape.push(level.length);
    if (level.length === 0) break;
  }
  if (shape.length === 1 && !Array.prototype.some.call(source, isList)) return { bytes: convertValues(dtype, source), shape };
  const flat: unknown[] = [];
  flatten(source, 0);
  return { bytes: convertValues(dtype, flat), shape };

  function flatten(level: unknown, depth: number): void {
    const wanted = shape[depth];
    if (!isList(level)) {
      if (wanted === undefined) return void flat.push(level);
      throw invalidArgument(`${ACTION}: every array at depth ${depth} must have ${wanted} entries, got ${show(level)}`);
    }
    if (wanted === undefined) {
      throw invalidArgument(`${ACTION}: arrays must be nested ${depth} deep everywhere, got an array at depth ${depth}`);
    }
    if (level.length !== wanted) {
      throw invalidArgument(`${ACTION}: every array at depth ${depth} must have ${wanted} entries, got ${level.length}`);
    }
    for (let i = 0; i < wanted; i++) flatten(level[i], depth + 1);
  }
}

function convertTypedArray(dtype: Exclude<DType, "BYTES">, array: TypedArray): Uint8Array {
  const halfBits = array[Symbol.toStringTag] === "Uint16Array" && (dtype === "FP16" || dtype === "BF16");
  if (halfBits || dtypeOf(array) === dtype) return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  if (dtype === "BOOL" && dtypeOf(array) === "UINT8") {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    const bad = bytes.findIndex((byte) => byte > 1);
    if (bad < 0) return bytes;
    throw elementError(dtype, bad, bytes[bad], "true, false, 0 or 1");
  }
  return convertValues(dtype, array);
}

function convertValues(dtype: DType, values: ArrayLike<unknown>): Uint8Array {
  switch (dtype) {
    case "BYTES":
      return encodeElements(values);
    case "BOOL":
      return convertBooleans(values);
    case "INT64":
      return convertLong(dtype, values, (value) => BigInt.asIntN(64, value), "-2^63 to 2^63 - 1");
    case "UINT64":
      return convertLong(dtype, values, (value) => BigInt.asUintN(64, value), "0 to 2^64 - 1");
    case "FP16":
      return bytesOf(encodeFp16(convertFloats(dtype, values, new Float64Array(values.length))));
    case "BF16":
      return bytesOf(encodeBf16(convertFloats(dtype, values, new Float64Array(values.length))));
    case "FP32":
      return bytesOf(convertFloats(dtype, values, new Float32Array(values.length)));
    case "FP64":
      return bytesOf(convertFloats(dtype, values, new Float64Array(values.length)));
    default:
      return convertIntegers(dtype, values);
  }
}

function convertBooleans(values: ArrayLike<unknown>): Uint8Array {
  const bytes = new Uint8Array(values.length);
  for (let i = 0; i < bytes.length; i++) {
    const value = values[i];
    if (value === true || value === 1) bytes[i] = 1;
    else if (value !== false && value !== 0) throw elementError("BOOL", i, value, "true, false, 0 or 1");
  }
  return bytes;
}

function convertIntegers(
  dtype: "UINT8" | "UINT16" | "UINT32" | "INT8" | "INT16" | "INT32",
  values: ArrayLike<unknown>,
): Uint8Array {
  const bits = INTEGER_BITS[dtype]!;
  const signed = dtype.startsWith("I");
  const min = signed ? -(2 ** (bits - 1)) : 0;
  const max = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const bytes = new Uint8Array((values.length * bits) / 8);
  const view = viewBytes(dtype, bytes);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const number = typeof value === "bigint" ? Number(value) : value;
    if (typeof number !== "number" || !Number.isInteger(number) || number < min || number > max) {
      throw elementError(dtype, i, value, `an integer from ${min} to ${max}`);
    }
    view[i] = number;
  }
  return bytes;
}

function convertLong(
  dtype: "INT64" | "UINT64",
  values: ArrayLike<unknown>,
  wrap: (value: bigint) => bigint,
  range: string,
): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = viewBytes(dtype, bytes);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const long = typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
    if (typeof long !== "bigint" || wrap(long) !== long) {
      throw elementError(dtype, i, value, `a safe integer or a bigint from ${range}`);
    }
    view[i] = long;
  }
  return bytes;
}

function convertFloats<A extends Float32Array | Float64Array>(dtype: DType, values: ArrayLike<unknown>, into: A): A {
  for (let i = 0; i < into.length; i++) {
    const value = values[i];
    if (typeof value === "number") into[i] = value;
    else if (typeof value === "bigint") into[i] = Number(value);
    else throw elementError(dtype, i, value, "a number");
  }
  return into;
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function elementError(dtype: DType, index: number, value: unknown, wanted: string): Error {
  return invalidArgument(`${ACTION}: element ${index} of a ${dtype} must be ${wanted}, got ${show(value)}`);
}

/** The error for content that does not fill its shape. */
export function contentError(dtype: DType, shape: readonly number[], wanted: string, got: string): Error {
  return invalidArgument(`${ACTION}: ${dtype} of shape ${showShape(shape)} needs ${wanted}, got ${got}`);
}
