import type { ModelInferResponse } from "../../gen/inference/grpc_service_pb.ts";
import type { DataPlane } from "../data/data-plane.ts";
import type { RemoteTensor } from "../data/remote-tensor.ts";
import { decodeOutputs, decodeParameters, type InferParameters, isEncodedReference } from "../tensor/mod.ts";
import { waybillFromString } from "../waybill/mod.ts";
import type { AnyTensor } from "./values.ts";

/** What came with outputs, beside them. */
export interface ResponseInfo {
  /** The instance that answered. */
  readonly instance: string;
  /** Which execution of the request it was, from 1. */
  readonly attempt: number;
  /** The request's own id. */
  readonly id: string;
  /** The version that answered. */
  readonly version: string;
  /** Parameters that the operator answered with. */
  readonly parameters: InferParameters;
}

const infos = new WeakMap<object, () => ResponseInfo>();

/**
 * What came with an operator's outputs: who answered, at which attempt, and the parameters it answered with.
 *
 * @param outputs what `infer` resolved with, or `stream` yielded
 * @returns `undefined` for objects that are no operator's outputs
 *
 * @example
 * ```ts
 * const outputs = await wb.operator("encoder").infer({ input });
 * console.log(infoOf(outputs)?.instance);
 * ```
 */
export function infoOf(outputs: object): ResponseInfo | undefined {
  return infos.get(outputs)?.();
}

/** A response as outputs by name. Inline tensors alias the message; a reference becomes a remote tensor. */
export function readResponse<O>(
  data: DataPlane,
  response: ModelInferResponse,
  from: { readonly instance: string; readonly attempt: number },
  onRemote?: (tensor: RemoteTensor) => void,
): O {
  const outputs: Record<string, AnyTensor> = {};
  const messageTensors = decodeOutputs(response);
  for (const name in messageTensors) {
    const tensor = messageTensors[name]!;
    if (!isEncodedReference(tensor)) outputs[name] = tensor;
    else {
      const remote = data.open(waybillFromString(tensor.descriptor));
      onRemote?.(remote);
      outputs[name] = remote;
    }
  }
  const { instance, attempt } = from;
  let info: ResponseInfo | undefined;
  infos.set(outputs, () =>
    info ??= {
      instance,
      attempt,
      id: response.id,
      version: response.modelVersion,
      parameters: decodeParameters(response.parameters),
    });
  return outputs as O;
}
