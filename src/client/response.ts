import type { ModelInferResponse } from "../../gen/inference/grpc_service_pb.ts";
import type { DataPlane } from "../data/data-plane.ts";
import type { RemoteTensor } from "../data/remote-tensor.ts";
import { decodeOutputs, decodeParameters, type InferParameters, isEncodedReference } from "../tensor/mod.ts";
import { waybillFromString } from "../waybill/mod.ts";
import type { AnswerSource } from "../rpc/transport.ts";
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

/**
 * Outputs by name, with what came beside them out of sight. A private field rather than an entry in a `WeakMap`: the garbage
 * collector visits every such entry each time, which took a third of a small call.
 */
class Outputs {
  readonly #response: ModelInferResponse;
  readonly #from: AnswerSource;
  #info: ResponseInfo | undefined;

  constructor(response: ModelInferResponse, from: AnswerSource) {
    this.#response = response;
    this.#from = from;
  }

  static infoOf(outputs: object): ResponseInfo | undefined {
    if (!(#response in outputs)) return undefined;
    const { id, modelVersion: version, parameters } = outputs.#response;
    const { instance, attempt } = outputs.#from;
    return outputs.#info ??= { instance, attempt, id, version, parameters: decodeParameters(parameters) };
  }
}

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
  return Outputs.infoOf(outputs);
}

/** A response as outputs by name. Inline tensors alias the message; a reference becomes a remote tensor. */
export function readResponse<O>(
  data: DataPlane,
  response: ModelInferResponse,
  from: AnswerSource,
  onRemote?: (tensor: RemoteTensor) => void,
): O {
  const outputs = new Outputs(response, from) as Outputs & Record<string, AnyTensor>;
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
  return outputs as O;
}
