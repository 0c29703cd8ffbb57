/**
 * Tensors into KServe messages. Bytes travel as raw contents, one entry for each tensor that is not a reference, in order; they
 * are not copied before the message is serialised.
 *
 * @module
 */
import type {
  ModelInferRequest,
  ModelInferRequest_InferInputTensor,
  ModelInferRequest_InferRequestedOutputTensor,
  ModelInferResponse,
  ModelInferResponse_InferOutputTensor,
} from "../../gen/inference/grpc_service_pb.ts";
import { DTYPE_BYTES } from "./dtype.ts";
import { invalidArgument, show, showShape } from "./errors.ts";
import { encodeParameter, type WireParameters } from "./parameters.ts";
import {
  BYTE_SIZE_PARAMETER,
  DESCRIPTOR_PARAMETER,
  type EncodedReference,
  isEncodedReference,
  type MessageTensor,
} from "./reference.ts";
import { elementCount, shapeToWire } from "./shape.ts";

/** Tensors by name, in the order of the message: `Object.entries(record)`, or a `Map`. */
export type TensorEntries = Iterable<readonly [name: string, tensor: MessageTensor]>;

/** What a request or a response says besides its tensors. */
export interface InferHead {
  /** The model, which is the operator. */
  modelName: string;
  /** Its version. Default `""`: the default one. */
  modelVersion?: string;
  /** The user's own id, echoed in the response. Default `""`. */
  id?: string;
  /** Parameters, from `encodeParameters` and the protocol's own. Default none. */
  parameters?: WireParameters;
}

/** An output that a request asks for. */
export interface RequestedOutput {
  /** Its name. */
  name: string;
  /** Its parameters. Default none. */
  parameters?: WireParameters;
}

/** What makes a request. */
export interface InferRequestInit extends InferHead {
  /** The inputs. */
  inputs: TensorEntries;
  /** The outputs wanted. Default: all. */
  outputs?: readonly RequestedOutput[];
}

/** What makes a response. */
export interface InferResponseInit extends InferHead {
  /** The outputs. */
  outputs: TensorEntries;
}

/**
 * Makes a request message.
 *
 * @throws {ConnectError} `invalid_argument` for a name given twice and a reference whose size does not fit its shape
 */
export function encodeInferRequest(init: InferRequestInit): ModelInferRequest {
  const { tensors, raw } = encodeTensors("inference.ModelInferRequest.InferInputTensor", "request", init.inputs);
  const outputs: ModelInferRequest_InferRequestedOutputTensor[] = [];
  if (init.outputs !== undefined) {
    for (const { name, parameters } of init.outputs) {
      outputs.push({
        $typeName: "inference.ModelInferRequest.InferRequestedOutputTensor",
        name,
        parameters: parameters ?? {},
      });
    }
  }
  return {
    $typeName: "inference.ModelInferRequest",
    modelName: init.modelName,
    modelVersion: init.modelVersion ?? "",
    id: init.id ?? "",
    parameters: init.parameters ?? {},
    inputs: tensors,
    outputs,
    rawInputContents: raw,
  };
}

/**
 * Makes a response message.
 *
 * @throws {ConnectError} `invalid_argument` for a name given twice and a reference whose size does not fit its shape
 */
export function encodeInferResponse(init: InferResponseInit): ModelInferResponse {
  const { tensors, raw } = encodeTensors("inference.ModelInferResponse.InferOutputTensor", "response", init.outputs);
  return {
    $typeName: "inference.ModelInferResponse",
    modelName: init.modelName,
    modelVersion: init.modelVersion ?? "",
    id: init.id ?? "",
    parameters: init.parameters ?? {},
    outputs: tensors,
    rawOutputContents: raw,
  };
}

type WireTensor = ModelInferRequest_InferInputTensor | ModelInferResponse_InferOutputTensor;

// Plain literals, always with the same properties in the same order: a message is one allocation and one hidden class.
function encodeTensors<N extends WireTensor["$typeName"]>(
  $typeName: N,
  message: string,
  entries: TensorEntries,
): { tensors: (Omit<WireTensor, "$typeName"> & { $typeName: N })[]; raw: Uint8Array[] } {
  const tensors: (Omit<WireTensor, "$typeName"> & { $typeName: N })[] = [];
  const raw: Uint8Array[] = [];
  const names = new Set<string>();
  for (const [name, tensor] of entries) {
    if (names.has(name)) {
      throw invalidArgument(`Cannot encode the ${message}: tensor names must differ, got ${show(name)} twice`);
    }
    names.add(name);
    let parameters: WireParameters;
    if (isEncodedReference(tensor)) {
      parameters = encodeReference(name, message, tensor);
    } else {
      parameters = {};
      raw.push(tensor.bytes);
    }
    tensors.push({
      $typeName,
      name,
      datatype: tensor.dtype,
      shape: shapeToWire(tensor.shape),
      parameters,
      contents: undefined,
    });
  }
  return { tensors, raw };
}

function encodeReference(name: string, message: string, reference: EncodedReference): WireParameters {
  const { dtype, shape, byteSize } = reference;
  const size = elementCount(shape, `Cannot encode the ${message}`);
  const fits = dtype === "BYTES" ? byteSize >= 4 * size : byteSize === size * DTYPE_BYTES[dtype];
  if (!fits || !Number.isSafeInteger(byteSize)) {
    throw invalidArgument(
      `Cannot encode the ${message}: reference ${show(name)}, ${dtype} of shape ${
        showShape(shape)
      }, must have a size that fits, ` +
        `got ${byteSize} bytes`,
    );
  }
  return {
    [DESCRIPTOR_PARAMETER]: encodeParameter(DESCRIPTOR_PARAMETER, reference.descriptor),
    [BYTE_SIZE_PARAMETER]: encodeParameter(BYTE_SIZE_PARAMETER, byteSize),
  };
}
