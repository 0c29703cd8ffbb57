import { create } from "@bufbuild/protobuf";
import { type ModelInferResponse, ModelInferResponseSchema } from "../../../gen/inference/grpc_service_pb.ts";
import {
  BYTE_SIZE_PARAMETER,
  DESCRIPTOR_PARAMETER,
  encodeParameter,
  isEncodedReference,
  type WireParameters,
} from "../../tensor/mod.ts";
import type { PreparedAnswer } from "../serving.ts";

/** An answer as a message: every output as raw contents, but for those that are elsewhere. */
export function encodeMessage({ model, version, id, parameters, outputs }: PreparedAnswer): ModelInferResponse {
  const rawOutputContents: Uint8Array[] = [];
  return create(ModelInferResponseSchema, {
    modelName: model,
    modelVersion: version,
    id,
    parameters: wireParameters(parameters),
    outputs: outputs.map(({ name, tensor, delivered }) => {
      const head = { name, datatype: tensor.dtype, shape: tensor.shape.map(BigInt) };
      if (isEncodedReference(tensor)) {
        const where = { [DESCRIPTOR_PARAMETER]: tensor.descriptor, [BYTE_SIZE_PARAMETER]: tensor.byteSize };
        return { ...head, parameters: wireParameters(where) };
      }
      if (!delivered) rawOutputContents.push(tensor.bytes);
      return head;
    }),
    rawOutputContents,
  });
}

function wireParameters(parameters: PreparedAnswer["parameters"]): WireParameters {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, encodeParameter(name, value)]));
}
