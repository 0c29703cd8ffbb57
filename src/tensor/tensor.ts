/**
 * A tensor in memory.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { decodeElements, decodeStrings, visitElements } from "./bytes-elements.ts";
import { contentError, convertSource, type TensorSource } from "./convert.ts";
import {
  type DType,
  DTYPE_BYTES,
  type DTypeOf,
  dtypeOf,
  DTYPES,
  type DTypeViews,
  isDType,
  isTypedArray,
  viewBytes,
} from "./dtype.ts";
import type { TypedArray } from "./dtype.ts";
import { invalidArgument, show, showShape } from "./errors.ts";
import { decodeBf16, decodeFp16 } from "./half.ts";
import { printAs } from "./inspect.ts";
import { elementCount } from "./shape.ts";
import { type TensorJson, tensorToJson } from "./tensor-json.ts";

// Marks tensors of every copy of this package.
const BRAND = Symbol.for("waybill.tensor");

/**
 * Bytes with a dtype and a shape: row-major, little-endian, without padding. Nothing is copied unless a method says so: `bytes`,
 * `data` and `elements()` show the memory that the tensor was made from, so that a write through one is seen through all. A
 * tensor that was decoded from a message shows the message's own bytes.
 */
export class Tensor<D extends DType = DType> {
  /** What its elements are. */
  readonly dtype: D;
  /** Its dimensions, a copy of its own; none for a scalar. */
  readonly shape: readonly number[];
  /** How many elements it has; 1 for a scalar, 0 where a dimension is 0. */
  readonly size: number;
  #bytes: Uint8Array;
  #data: DTypeViews[D] | undefined;

  static {
    Object.defineProperty(this.prototype, BRAND, { value: true });
    printAs(this.prototype, (tensor) => `Tensor ${tensor}`);
  }

  /**
   * Puts a dtype and a shape on bytes, without copying them.
   *
   * @throws {ConnectError} `invalid_argument` for an unknown dtype, a bad dimension, and bytes that do not fill the shape exactly
   */
  constructor(dtype: D, shape: readonly number[], bytes: Uint8Array) {
    if (!isDType(dtype)) {
      throw invalidArgument(`Cannot make a tensor: dtype must be one of ${DTYPES.join(" ")}, got ${show(dtype)}`);
    }
    const size = elementCount(shape, "Cannot make a tensor");
    if (dtype !== "BYTES") {
      const wanted = size * DTYPE_BYTES[dtype];
      if (bytes.length !== wanted) throw contentError(dtype, shape, `${wanted} bytes`, String(bytes.length));
    } else {
      const count = visitElements(bytes);
      if (count !== size) throw contentError(dtype, shape, `${size} elements`, `${count} in ${bytes.length} bytes`);
    }
    this.dtype = dtype;
    this.shape = shape.slice();
    this.size = size;
    this.#bytes = bytes;
  }

  /**
   * Makes a tensor of the dtype that the typed array stands for (`Float32Array` FP32, `BigInt64Array` INT64, `Uint8Array` UINT8,
   * `Float16Array` FP16 and so on) over the array's own memory.
   *
   * @param shape default `[array.length]`
   * @throws {ConnectError} `invalid_argument` when the array does not fill the shape exactly
   */
  static from<A extends TypedArray>(array: A, shape?: readonly number[]): Tensor<DTypeOf<A>>;
  /**
   * Makes a tensor from values: one value (a scalar), a typed array, or arrays nested to any depth, whose nesting is the shape.
   * A typed array whose elements are stored as the dtype stores them is not copied (a `Uint16Array` holds the bits of FP16 and
   * BF16; a `Uint8Array` of 0 and 1 is a BOOL); everything else is converted. Floating point rounds to the nearest value;
   * integers that do not fit are refused. 64-bit integers take bigints and safe numbers. For BYTES a `Uint8Array` is one
   * element, and strings become UTF-8.
   *
   * @param shape default: as the values are nested; given, it must hold as many elements
   * @throws {ConnectError} `invalid_argument` for values that the dtype cannot hold, ragged nesting and a shape that does not fit
   */
  static from<D extends DType>(dtype: D, source: TensorSource, shape?: readonly number[]): Tensor<D>;
  static from(first: TypedArray | DType, second?: TensorSource | readonly number[], third?: readonly number[]): Tensor {
    const inferred = isTypedArray(first);
    const dtype = inferred ? dtypeOf(first) : first;
    const source = inferred ? first : (second as TensorSource);
    const shape = inferred ? (second as readonly number[] | undefined) : third;
    if (!isDType(dtype)) {
      throw invalidArgument(`Cannot make a tensor: dtype must be one of ${DTYPES.join(" ")}, got ${show(dtype)}`);
    }
    const converted = convertSource(dtype, source);
    return new Tensor(dtype, shape ?? converted.shape, converted.bytes);
  }

  /** Its size in bytes; of BYTES with the lengths. */
  get byteLength(): number {
    return this.#bytes.length;
  }

  /** Its memory. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * Its memory as a typed array: bigints for 64-bit integers, bits for FP16 and BF16, the encoding for BYTES. Bytes that do not
   * start at a multiple of the element size, as happens in received messages, are copied once, on the first use; from then on
   * {@linkcode bytes} is that copy too.
   */
  get data(): DTypeViews[D] {
    if (this.#data === undefined) {
      const alignment = DTYPE_BYTES[this.dtype];
      if (alignment > 1 && this.#bytes.byteOffset % alignment !== 0) this.#bytes = new Uint8Array(this.#bytes);
      this.#data = viewBytes(this.dtype, this.#bytes);
    }
    return this.#data;
  }

  /** Itself: code that takes tensors from wherever they are need not ask whether this one came in a message or by reference. */
  fetch(): Promise<this> {
    return Promise.resolve(this);
  }

  /** Does nothing: these bytes are this process's own. Remote tensors give their lease back. */
  release(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * The elements of a BYTES tensor as text, in an array of their own.
   *
   * @throws {ConnectError} `failed_precondition` for another dtype, `invalid_argument` for an element that is no UTF-8
   */
  strings(): string[] {
    this.#mustBe("BYTES", "strings");
    return decodeStrings(this.#bytes);
  }

  /**
   * The elements of a BYTES tensor, as views of its memory.
   *
   * @throws {ConnectError} `failed_precondition` for another dtype
   */
  elements(): Uint8Array[] {
    this.#mustBe("BYTES", "elements");
    return decodeElements(this.#bytes);
  }

  /**
   * Its elements as plain numbers, flat, in an array of their own; FP16 and BF16 converted, BOOL as 0 and 1.
   *
   * @throws {ConnectError} `failed_precondition` for BYTES, `out_of_range` for a 64-bit integer that is no safe number
   */
  toNumbers(): number[] {
    return Array.from(this.#numeric("numbers"), (value, index) => {
      if (typeof value === "number") return value;
      const number = Number(value);
      if (Number.isSafeInteger(number)) return number;
      throw new ConnectError(
        `Cannot read ${this} as numbers: element ${index} must be at most 2^53 - 1 in magnitude, got ${
          show(value)
        }; data has bigints`,
        Code.OutOfRange,
      );
    });
  }

  /**
   * Its elements as singles, flat, in an array of their own: exact for FP16, BF16, FP32, BOOL and integers up to 2^24 in
   * magnitude, rounded for others.
   *
   * @throws {ConnectError} `failed_precondition` for BYTES
   */
  toFloat32Array(): Float32Array {
    const data = this.#numeric("singles");
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float32Array.from(data, Number);
    return new Float32Array(data as ArrayLike<number>);
  }

  /**
   * The same tensor, typed by its dtype once that has been checked.
   *
   * @throws {ConnectError} `failed_precondition` when it has another one
   */
  as<E extends DType>(dtype: E): Tensor<E> {
    this.#mustBe(dtype, dtype);
    return this as Tensor as Tensor<E>;
  }

  /** Its dtype, shape and elements for people and programs that read JSON; see {@linkcode TensorJson}. */
  toJSON(): TensorJson {
    return tensorToJson(this);
  }

  /** What it is, without its elements: `FP32 [1,3] (12 bytes)`. */
  toString(): string {
    return `${this.dtype} ${showShape(this.shape)} (${this.byteLength} bytes)`;
  }

  #numeric(wanted: string): ArrayLike<number | bigint> {
    if (this.dtype === "BYTES") {
      throw new ConnectError(
        `Cannot read ${this} as ${wanted}: its dtype must be numeric, got "BYTES"`,
        Code.FailedPrecondition,
      );
    }
    const data: DTypeViews[DType] = this.data;
    if (this.dtype === "FP16") return decodeFp16(data as Uint16Array);
    if (this.dtype === "BF16") return decodeBf16(data as Uint16Array);
    return data;
  }

  #mustBe(dtype: DType, wanted: string): void {
    if (this.dtype === dtype) return;
    throw new ConnectError(
      `Cannot read ${this} as ${wanted}: its dtype must be ${show(dtype)}, got ${show(this.dtype)}`,
      Code.FailedPrecondition,
    );
  }
}

/** Whether a value is a {@linkcode Tensor}, of whichever copy of this package. */
export function isTensor(value: unknown): value is Tensor {
  return typeof value === "object" && value !== null && BRAND in value;
}
