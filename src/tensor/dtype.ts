/**
 * The element types of KServe's Open Inference Protocol, and how JavaScript sees each.
 *
 * @module
 */

/**
 * The typed array that shows a tensor's elements, by dtype. FP16 and BF16 show their bits, BOOL shows 0 and 1 and BYTES shows
 * its encoding, lengths included.
 */
export interface DTypeViews {
  /** One byte an element, 0 or 1. */
  BOOL: Uint8Array;
  /** 8 bits, unsigned. */
  UINT8: Uint8Array;
  /** 16 bits, unsigned. */
  UINT16: Uint16Array;
  /** 32 bits, unsigned. */
  UINT32: Uint32Array;
  /** 64 bits, unsigned. */
  UINT64: BigUint64Array;
  /** 8 bits, signed. */
  INT8: Int8Array;
  /** 16 bits, signed. */
  INT16: Int16Array;
  /** 32 bits, signed. */
  INT32: Int32Array;
  /** 64 bits, signed. */
  INT64: BigInt64Array;
  /** IEEE 754 half precision, as bits. */
  FP16: Uint16Array;
  /** The upper half of an IEEE 754 single, as bits. */
  BF16: Uint16Array;
  /** IEEE 754 single precision. */
  FP32: Float32Array;
  /** IEEE 754 double precision. */
  FP64: Float64Array;
  /** Byte strings of any length, each behind its length as a little-endian u32. */
  BYTES: Uint8Array;
}

/** The name of an element type, as on the wire. */
export type DType = keyof DTypeViews;

/** Bytes an element takes, by dtype; 0 for BYTES, whose elements differ in length. */
export const DTYPE_BYTES: Readonly<Record<DType, number>> = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  BF16: 2,
  FP32: 4,
  FP64: 8,
  BYTES: 0,
};

/** Every dtype, in KServe's order. */
export const DTYPES: readonly DType[] = Object.keys(DTYPE_BYTES) as DType[];

/** Whether a value is the name of a dtype. Names are exact: `"fp32"` is none. */
export function isDType(value: unknown): value is DType {
  return typeof value === "string" && Object.hasOwn(DTYPE_BYTES, value);
}

/** The dtype that a typed array stands for when none is named, by the typed array's `Symbol.toStringTag`. */
export interface ViewDTypes {
  /** Bytes. */
  Uint8Array: "UINT8";
  /** Bytes. */
  Uint8ClampedArray: "UINT8";
  /** Numbers, not half-precision bits. */
  Uint16Array: "UINT16";
  /** Numbers. */
  Uint32Array: "UINT32";
  /** Bigints. */
  BigUint64Array: "UINT64";
  /** Numbers. */
  Int8Array: "INT8";
  /** Numbers. */
  Int16Array: "INT16";
  /** Numbers. */
  Int32Array: "INT32";
  /** Bigints. */
  BigInt64Array: "INT64";
  /** Numbers, where the runtime has the type. */
  Float16Array: "FP16";
  /** Numbers. */
  Float32Array: "FP32";
  /** Numbers. */
  Float64Array: "FP64";
}

const VIEW_DTYPES: Readonly<ViewDTypes> = {
  Uint8Array: "UINT8",
  Uint8ClampedArray: "UINT8",
  Uint16Array: "UINT16",
  Uint32Array: "UINT32",
  BigUint64Array: "UINT64",
  Int8Array: "INT8",
  Int16Array: "INT16",
  Int32Array: "INT32",
  BigInt64Array: "INT64",
  Float16Array: "FP16",
  Float32Array: "FP32",
  Float64Array: "FP64",
};

/** Any typed array, `Float16Array` of newer runtimes included. */
export type TypedArray = ArrayBufferView & {
  /** The name of its constructor, the same in every realm. */
  readonly [Symbol.toStringTag]: keyof ViewDTypes;
  /** Elements. */
  readonly length: number;
  readonly [index: number]: number | bigint;
};

/** The dtype that a typed array type stands for. */
export type DTypeOf<A extends TypedArray> = ViewDTypes[A[typeof Symbol.toStringTag]];

/** Whether a value is a typed array: a view that is no `DataView`. */
export function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(Symbol.toStringTag in value && value[Symbol.toStringTag] === "DataView");
}

/** The dtype that a typed array stands for when none is named. */
export function dtypeOf<A extends TypedArray>(array: A): DTypeOf<A> {
  // TypeScript does not index the interface by the type parameter's tag here.
  return VIEW_DTYPES[array[Symbol.toStringTag]] as DTypeOf<A>;
}

/**
 * A typed array over `bytes` without copying. The caller has made sure of alignment and of whole elements. Every runtime that
 * Waybill supports is little-endian, as the wire is, so that no byte is ever swapped.
 */
export function viewBytes<D extends DType>(dtype: D, bytes: Uint8Array): DTypeViews[D];
export function viewBytes(dtype: DType, bytes: Uint8Array): DTypeViews[DType] {
  const { buffer, byteOffset, byteLength } = bytes;
  switch (dtype) {
    case "INT8":
      return new Int8Array(buffer, byteOffset, byteLength);
    case "UINT16":
    case "FP16":
    case "BF16":
      return new Uint16Array(buffer, byteOffset, byteLength / 2);
    case "INT16":
      return new Int16Array(buffer, byteOffset, byteLength / 2);
    case "UINT32":
      return new Uint32Array(buffer, byteOffset, byteLength / 4);
    case "INT32":
      return new Int32Array(buffer, byteOffset, byteLength / 4);
    case "FP32":
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case "UINT64":
      return new BigUint64Array(buffer, byteOffset, byteLength / 8);
    case "INT64":
      return new BigInt64Array(buffer, byteOffset, byteLength / 8);
    case "FP64":
      return new Float64Array(buffer, byteOffset, byteLength / 8);
    case "BOOL":
    case "UINT8":
    case "BYTES":
      return bytes;
  }
}
