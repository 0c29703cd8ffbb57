import { invalidArgument } from "../tensor/errors.ts";
import { type DType, DTYPE_BYTES } from "../tensor/dtype.ts";
import { elementCount } from "../tensor/shape.ts";
import { Tensor } from "../tensor/mod.ts";
import type { Waybill } from "../waybill/mod.ts";

/** Dtypes whose size follows from the shape. */
export type SizedDType = Exclude<DType, "BYTES">;

/** How to take memory for a tensor, and how to put one. */
export interface HomeOptions {
  /** Gives up waiting for space when aborted. */
  readonly signal?: AbortSignal;
}

/** How to put a tensor. */
export interface HomePutOptions extends HomeOptions {
  /** How long the lease lasts from its start and from each use. Default: the node's. */
  readonly leaseMs?: number;
  /** Whether the lease ends once a request that has the tensor as an input was acknowledged. Default `false`. */
  readonly once?: boolean;
}

/** Where a worker's tensors are made and kept for others. */
export interface TensorHome {
  /**
   * Memory for a tensor that is about to be filled; its contents are whatever was there.
   *
   * @throws {ConnectError} `resource_exhausted` when there is no room in time, `canceled`
   */
  allocate(byteLength: number, options: HomeOptions): Promise<Uint8Array>;
  /** Keeps a tensor and describes it; one in memory that was allocated here is not copied. */
  put(tensor: Tensor, options?: HomePutOptions): Promise<Waybill>;
  /** Takes memory back that was allocated here and not put. */
  discard(bytes: Uint8Array): void;
}

/**
 * A tensor to be filled.
 *
 * @param home where its memory is; `undefined` on the heap
 * @throws {ConnectError} `invalid_argument` for BYTES and for a bad shape, and as {@linkcode TensorHome.allocate}
 */
export async function allocateTensor<D extends SizedDType>(
  home: TensorHome | undefined,
  dtype: D,
  shape: readonly number[],
  options: HomeOptions,
): Promise<Tensor<D>> {
  const action = "Cannot allocate a tensor";
  const size: number | undefined = DTYPE_BYTES[dtype];
  if (size === undefined || (dtype as DType) === "BYTES") {
    throw invalidArgument(`${action}: dtype must be one whose size follows from the shape, got "${dtype}"`);
  }
  const byteLength = elementCount(shape, action) * size;
  const bytes = home === undefined ? new Uint8Array(byteLength) : await home.allocate(byteLength, options);
  return new Tensor(dtype, shape, bytes);
}
