/**
 * Tensors by reference, as far as this layer knows them: what they are, and a string that says where.
 *
 * @module
 */
import type { DType } from "./dtype.ts";
import type { Tensor } from "./tensor.ts";

/** A tensor whose bytes stay where they are; a message carries this instead. */
export interface EncodedReference {
  /** What its elements are. */
  readonly dtype: DType;
  /** Its dimensions. */
  readonly shape: readonly number[];
  /** Its size in bytes. */
  readonly byteSize: number;
  /** The descriptor as its URL-safe string. It holds a secret: never log it. */
  readonly descriptor: string;
}

/** What a message carries under a tensor's name. */
export type MessageTensor = Tensor | EncodedReference;

/** Whether a message's tensor is a reference, so that its bytes must be fetched. */
export function isEncodedReference(tensor: MessageTensor): tensor is EncodedReference {
  return "descriptor" in tensor;
}

/** The tensor parameter that carries a reference's descriptor. */
export const DESCRIPTOR_PARAMETER = "waybill_descriptor";

/** The tensor parameter that carries a reference's size in bytes, which the shape of a BYTES tensor does not tell. */
export const BYTE_SIZE_PARAMETER = "waybill_byte_size";
