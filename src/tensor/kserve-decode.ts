/**
 * Tensors out of KServe messages, whoever wrote them: raw contents, typed contents, references. Tensors of raw contents show the
 * message's own bytes; nothing is copied.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type {
  ModelInferRequest,
  ModelInferRequest_InferInputTensor,
  ModelInferResponse,
  ModelInferResponse_InferOutputTensor,
} from "../../gen/inference/grpc_service_pb.ts";
import { type DType, DTYPE_BYTES, DTYPES, isDType } from "./dtype.ts";
import { invalidArgument, show, showShape } from "./errors.ts";
import { contentsToBytes } from "./kserve-contents.ts";
import { setOwn, type WireParameters } from "./parameters.ts";
import { BYTE_SIZE_PARAMETER, DESCRIPTOR_PARAMETER, type EncodedReference, type MessageTensor } from "./reference.ts";
import { elementCount, shapeFromWire } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/** How to decode a message's tensors. */
export interface DecodeTensorsOptions {
  /**
   * Gives the bytes of a tensor whose parameters name a shared memory region (`shared_memory_region`, `shared_memory_offset`,
   * `shared_memory_byte_size`). Default: such tensors are refused.
   */
  sharedMemory?: (name: string, parameters: Readonly<WireParameters>) => Uint8Array;
}

type WireTensor = ModelInferRequest_InferInputTensor | ModelInferResponse_InferOutputTensor;

/**
 * The inputs of a request, by name, in its order. Raw entries past the last tensor are ignored, as Triton does.
 *
 * @throws {ConnectError} `invalid_argument` for what the protocol does not allow: an unknown dtype, a bad dimension, bytes that do
 * not fill the shape, a name twice, raw and typed contents in one message, too few raw entries, another dtype's typed field
 */
export function decodeInputs(request: ModelInferRequest, options?: DecodeTensorsOptions): Record<string, MessageTensor> {
  return decodeTensors("Cannot decode the request", request.inputs, request.rawInputContents, options);
}

/**
 * The outputs of a response, by name, in its order.
 *
 * @throws {ConnectError} `internal`, since the server broke the protocol; with the same causes as {@linkcode decodeInputs}
 */
export function decodeOutputs(response: ModelInferResponse, options?: DecodeTensorsOptions): Record<string, MessageTensor> {
  try {
    return decodeTensors("Cannot decode the response", response.outputs, response.rawOutputContents, options);
  } catch (cause) {
    const error = ConnectError.from(cause);
    throw new ConnectError(error.rawMessage, Code.Internal, undefined, undefined, cause);
  }
}

function decodeTensors(
  action: string,
  tensors: readonly WireTensor[],
  raw: readonly Uint8Array[],
  options: DecodeTensorsOptions | undefined,
): Record<string, MessageTensor> {
  const decoded: Record<string, MessageTensor> = {};
  let used = 0;
  for (const wire of tensors) {
    const { name, datatype, parameters, contents } = wire;
    if (Object.hasOwn(decoded, name)) throw invalidArgument(`${action}: tensor names must differ, got ${show(name)} twice`);
    if (!isDType(datatype)) {
      throw invalidArgument(
        `${action}: the dtype of tensor ${show(name)} must be one of ${DTYPES.join(" ")}, got ${show(datatype)}`,
      );
    }
    const shape = shapeFromWire(wire.shape, action);
    if (contents !== undefined && raw.length > 0) {
      throw invalidArgument(`${action}: raw and typed contents must not be mixed, got typed contents for tensor ${show(name)}`);
    }
    let bytes: Uint8Array;
    if (DESCRIPTOR_PARAMETER in parameters) {
      setOwn(decoded, name, decodeReference(action, name, datatype, shape, wire));
      continue;
    } else if ("shared_memory_region" in parameters) {
      bytes = readSharedMemory(action, wire, options);
    } else if (contents !== undefined) {
      bytes = contentsToBytes(action, name, datatype, contents);
    } else if (used < raw.length) {
      bytes = raw[used++]!;
    } else if (raw.length === 0 && elementCount(shape, action) === 0) {
      // Clients that write typed contents leave the empty message out.
      bytes = new Uint8Array(0);
    } else {
      throw invalidArgument(
        `${action}: tensor ${show(name)} must have contents, got ${raw.length} raw entries and none left for it`,
      );
    }
    setOwn(decoded, name, makeTensor(action, name, datatype, shape, bytes));
  }
  return decoded;
}

function makeTensor(action: string, name: string, dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  try {
    return new Tensor(dtype, shape, bytes);
  } catch (cause) {
    const reason = ConnectError.from(cause).rawMessage.replace(/^[^:]*: /, "");
    throw invalidArgument(`${action}: tensor ${show(name)}: ${reason}`, cause);
  }
}

function readSharedMemory(action: string, wire: WireTensor, options: DecodeTensorsOptions | undefined): Uint8Array {
  if (options?.sharedMemory !== undefined && wire.contents === undefined) {
    return options.sharedMemory(wire.name, wire.parameters);
  }
  const got = wire.contents === undefined ? "a shared memory region" : "typed contents beside a shared memory region";
  throw invalidArgument(`${action}: tensor ${show(wire.name)} must have its bytes in the message, got ${got}`);
}

function decodeReference(
  action: string,
  name: string,
  dtype: DType,
  shape: readonly number[],
  wire: WireTensor,
): EncodedReference {
  const descriptor = wire.parameters[DESCRIPTOR_PARAMETER]!.parameterChoice;
  if (descriptor.case !== "stringParam" || wire.contents !== undefined) {
    const got = wire.contents === undefined ? descriptor.case ?? "nothing" : "typed contents beside it";
    throw invalidArgument(`${action}: the reference of tensor ${show(name)} must be one string, got ${got}`);
  }
  const size = elementCount(shape, action);
  const choice = wire.parameters[BYTE_SIZE_PARAMETER]?.parameterChoice;
  const stated = choice?.case === "int64Param" || choice?.case === "uint64Param" ? Number(choice.value) : undefined;
  const wanted = size * DTYPE_BYTES[dtype];
  const byteSize = dtype === "BYTES" || choice !== undefined ? stated : wanted;
  const fits = dtype === "BYTES" ? byteSize !== undefined && byteSize >= 4 * size : byteSize === wanted;
  if (byteSize === undefined || !fits || !Number.isSafeInteger(byteSize)) {
    throw invalidArgument(
      `${action}: reference ${show(name)}, ${dtype} of shape ${showShape(shape)}, must have a size that fits, ` +
        `got ${byteSize === undefined ? "none" : `${byteSize} bytes`}`,
    );
  }
  return { dtype, shape, byteSize, descriptor: descriptor.value };
}
