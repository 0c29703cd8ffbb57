import { DTYPE_BYTES, DTYPES, isDType } from "../tensor/dtype.ts";
import { invalidArgument, show, showShape } from "../tensor/errors.ts";
import { elementCount } from "../tensor/shape.ts";

/**
 * A tensor's size in bytes.
 *
 * @param byteLength what somebody said it is; of BYTES nothing else tells
 * @throws {ConnectError} `invalid_argument` for an unknown dtype, a bad dimension, and a size that does not fit them
 */
export function sizeOf(action: string, dtype: string, shape: readonly number[], byteLength?: number): number {
  if (!isDType(dtype)) throw invalidArgument(`${action}: dtype must be one of ${DTYPES.join(" ")}, got ${show(dtype)}`);
  const size = elementCount(shape, action);
  const wanted = dtype === "BYTES" ? 4 * size : size * DTYPE_BYTES[dtype];
  const given = byteLength ?? (dtype === "BYTES" && size > 0 ? undefined : wanted);
  const fits = dtype === "BYTES" && given !== undefined ? given >= wanted && (size > 0 || given === 0) : given === wanted;
  if (given !== undefined && fits && Number.isSafeInteger(given)) return given;
  const least = dtype === "BYTES" && size > 0 ? "at least " : "";
  throw invalidArgument(
    `${action}: ${dtype} of shape ${showShape(shape)} needs ${least}${wanted} bytes, got ${given ?? "none"}`,
  );
}
