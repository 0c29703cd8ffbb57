/**
 * KServe's typed contents, elements as protobuf fields, as they come from other clients. We read them and never write them.
 *
 * @module
 */
import type { InferTensorContents } from "../../gen/inference/grpc_service_pb.ts";
import { convertSource } from "./convert.ts";
import type { DType } from "./dtype.ts";
import { invalidArgument, show } from "./errors.ts";

type ContentsField = Exclude<keyof InferTensorContents, "$typeName" | "$unknown">;

const FIELD_NAMES: Readonly<Record<ContentsField, string>> = {
  boolContents: "bool_contents",
  intContents: "int_contents",
  int64Contents: "int64_contents",
  uintContents: "uint_contents",
  uint64Contents: "uint64_contents",
  fp32Contents: "fp32_contents",
  fp64Contents: "fp64_contents",
  bytesContents: "bytes_contents",
};

const FIELDS = Object.keys(FIELD_NAMES) as ContentsField[];

const FIELD_OF: Readonly<Record<DType, ContentsField | undefined>> = {
  BOOL: "boolContents",
  UINT8: "uintContents",
  UINT16: "uintContents",
  UINT32: "uintContents",
  UINT64: "uint64Contents",
  INT8: "intContents",
  INT16: "intContents",
  INT32: "intContents",
  INT64: "int64Contents",
  FP16: undefined,
  BF16: undefined,
  FP32: "fp32Contents",
  FP64: "fp64Contents",
  BYTES: "bytesContents",
};

/**
 * The bytes of typed contents.
 *
 * @param action what fails if they are bad, for the error message
 * @throws {ConnectError} `invalid_argument` for FP16 and BF16, which have no field; for another dtype's field; for an element out
 * of the dtype's range
 */
export function contentsToBytes(action: string, name: string, dtype: DType, contents: InferTensorContents): Uint8Array {
  const wanted = FIELD_OF[dtype];
  for (const field of FIELDS) {
    if (field === wanted || contents[field].length === 0) continue;
    throw invalidArgument(
      `${action}: tensor ${show(name)} is ${dtype}, whose elements must be in ` +
        `${wanted === undefined ? "raw contents" : FIELD_NAMES[wanted]}, got ${FIELD_NAMES[field]}`,
    );
  }
  if (wanted === undefined) return new Uint8Array(0);
  try {
    return convertSource(dtype, contents[wanted]).bytes;
  } catch (cause) {
    throw invalidArgument(`${action}: tensor ${show(name)} must hold ${dtype} elements, got others`, cause);
  }
}
