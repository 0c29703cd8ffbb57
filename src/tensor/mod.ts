/**
 * Tensors: element types, values in memory, and their encodings in KServe's messages.
 *
 * @module
 */
export { decodeElements, decodeStrings, encodeElements, visitElements } from "./bytes-elements.ts";
export { DTYPE_BYTES, dtypeOf, DTYPES, isDType, isTypedArray, viewBytes } from "./dtype.ts";
export {
  bf16ToNumber,
  decodeBf16,
  decodeFp16,
  encodeBf16,
  encodeFp16,
  float16View,
  fp16ToNumber,
  numberToBf16,
  numberToFp16,
} from "./half.ts";
export { decodeInputs, decodeOutputs } from "./kserve-decode.ts";
export { encodeInferRequest, encodeInferResponse } from "./kserve-encode.ts";
export { inferCodecs } from "./kserve-wire.ts";
export { decodeParameter, decodeParameters, encodeParameter, encodeParameters, isReservedParameter } from "./parameters.ts";
export { BYTE_SIZE_PARAMETER, DESCRIPTOR_PARAMETER, isEncodedReference } from "./reference.ts";
export { elementCount, shapeFromWire, shapeToWire } from "./shape.ts";
export { checkSpecs, checkTensors } from "./spec.ts";
export { isTensor, Tensor } from "./tensor.ts";

export type { TensorElement, TensorSource } from "./convert.ts";
export type { DType, DTypeOf, DTypeViews, TypedArray, ViewDTypes } from "./dtype.ts";
export type { Float16View } from "./half.ts";
export type { DecodeTensorsOptions } from "./kserve-decode.ts";
export type { InferHead, InferRequestInit, InferResponseInit, RequestedOutput, TensorEntries } from "./kserve-encode.ts";
export type { InferParameters, ParameterValue, WireParameters } from "./parameters.ts";
export type { EncodedReference, MessageTensor } from "./reference.ts";
export type { TensorLike, TensorSpec, TensorSpecs } from "./spec.ts";
export type { TensorJson, TensorJsonElement } from "./tensor-json.ts";
