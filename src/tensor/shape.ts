/**
 * Shapes: lists of dimensions, row-major; the empty one is a scalar's.
 *
 * @module
 */
import { invalidArgument, showShape } from "./errors.ts";

/**
 * How many elements a shape holds; 1 for the empty shape, 0 where any dimension is 0.
 *
 * @param action what fails if the shape is bad, for the error message: `Cannot make a tensor`
 * @throws {ConnectError} `invalid_argument` for a dimension that is negative, fractional or beyond 2^53 - 1, and for a product
 * beyond that
 */
export function elementCount(shape: readonly number[], action: string): number {
  let count = 1;
  for (let i = 0; i < shape.length; i++) {
    const dim = shape[i]!;
    if (!Number.isSafeInteger(dim) || dim < 0) {
      throw invalidArgument(`${action}: dimensions must be integers from 0 to 2^53 - 1, got ${showShape(shape)}`);
    }
    count *= dim;
  }
  // A huge product may have gone through Infinity before it met a zero.
  if (Number.isSafeInteger(count)) return count;
  if (shape.includes(0)) return 0;
  throw invalidArgument(`${action}: a shape must hold at most 2^53 - 1 elements, got ${showShape(shape)}`);
}

/**
 * A wire shape (int64) as numbers.
 *
 * @throws {ConnectError} `invalid_argument` for a dimension that is negative or beyond 2^53 - 1
 */
export function shapeFromWire(shape: readonly bigint[], action: string): number[] {
  const numbers = new Array<number>(shape.length);
  for (let i = 0; i < shape.length; i++) {
    const dim = Number(shape[i]!);
    if (dim < 0 || dim > Number.MAX_SAFE_INTEGER) {
      throw invalidArgument(`${action}: dimensions must be integers from 0 to 2^53 - 1, got ${showShape(shape)}`);
    }
    numbers[i] = dim;
  }
  return numbers;
}

/** A checked shape as the wire has it. */
export function shapeToWire(shape: readonly number[]): bigint[] {
  const wire = new Array<bigint>(shape.length);
  for (let i = 0; i < shape.length; i++) wire[i] = BigInt(shape[i]!);
  return wire;
}
