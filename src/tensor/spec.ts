/**
 * What tensors an operator takes and gives, and the check that given ones fit.
 *
 * @module
 */
import { type DType, DTYPES, isDType } from "./dtype.ts";
import { invalidArgument, show, showShape } from "./errors.ts";

/** What a tensor must be. */
export interface TensorSpec {
  /** What its elements are. */
  readonly dtype: DType;
  /** Its dimensions; -1 fits any size. */
  readonly shape: readonly number[];
  /** Whether it may be left out. Default `false`. */
  readonly optional?: boolean;
}

/** Specs by tensor name. */
export type TensorSpecs = Readonly<Record<string, TensorSpec>>;

/** What a check looks at: a tensor, a remote one, a descriptor. */
export interface TensorLike {
  /** What its elements are. */
  readonly dtype: DType;
  /** Its dimensions. */
  readonly shape: readonly number[];
}

/**
 * Checks specs themselves, once, where an operator is declared.
 *
 * @param label whose they are, for the error message: `the inputs of operator "encoder"`
 * @throws {ConnectError} `invalid_argument` for an unknown dtype and a dimension that is neither -1 nor a safe integer from 0
 */
export function checkSpecs(label: string, specs: TensorSpecs): void {
  for (const [name, { dtype, shape }] of Object.entries(specs)) {
    if (!isDType(dtype)) {
      throw invalidArgument(
        `Cannot use ${label}: the dtype of tensor ${show(name)} must be one of ${DTYPES.join(" ")}, got ${show(dtype)}`,
      );
    }
    if (!shape.every((dim) => dim === -1 || (Number.isSafeInteger(dim) && dim >= 0))) {
      throw invalidArgument(
        `Cannot use ${label}: dimensions of tensor ${show(name)} must be -1 or integers from 0, got ${showShape(shape)}`,
      );
    }
  }
}

/**
 * Checks that tensors are what the specs say: each that must be there, none besides, every dtype and dimension. A tensor that is
 * `undefined` counts as left out.
 *
 * @param label whose they are, for the error message: `the inputs of operator "encoder"`
 * @throws {ConnectError} `invalid_argument` naming the tensor, what was seen and what was wanted
 */
export function checkTensors(
  label: string,
  specs: TensorSpecs,
  tensors: Readonly<Record<string, TensorLike | undefined>>,
): void {
  for (const name in specs) {
    const spec = specs[name]!;
    const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
    if (tensor === undefined) {
      if (spec.optional === true) continue;
      throw invalidArgument(`Cannot use ${label}: tensor ${show(name)} must be given, got ${names(tensors)}`);
    }
    if (tensor.dtype === spec.dtype && shapeFits(spec.shape, tensor.shape)) continue;
    throw invalidArgument(
      `Cannot use ${label}: tensor ${show(name)} must be ${spec.dtype} ${showShape(spec.shape)}, ` +
        `got ${tensor.dtype} ${showShape(tensor.shape)}`,
    );
  }
  for (const name in tensors) {
    if (tensors[name] === undefined || Object.hasOwn(specs, name)) continue;
    throw invalidArgument(`Cannot use ${label}: tensors must be among ${names(specs)}, got also ${show(name)}`);
  }
}

function shapeFits(wanted: readonly number[], shape: readonly number[]): boolean {
  if (wanted.length !== shape.length) return false;
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] !== -1 && wanted[i] !== shape[i]) return false;
  }
  return true;
}

function names(record: Readonly<Record<string, unknown>>): string {
  const given = Object.keys(record).filter((name) => record[name] !== undefined);
  if (given.length === 0) return "none";
  const more = given.length > 8 ? ` and ${given.length - 8} more` : "";
  return given.slice(0, 8).map(show).join(", ") + more;
}
