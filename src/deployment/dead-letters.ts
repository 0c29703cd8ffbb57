import { fromBinary } from "@bufbuild/protobuf";
import { type ModelInferRequest, ModelInferRequestSchema } from "../../gen/inference/grpc_service_pb.ts";
import type { Client } from "../client/client.ts";
import { decodeMetadata } from "../rpc/metadata.ts";
import { type DeadLetter, DeadLetters } from "../rpc/queue/dead-letters.ts";
import { decodeInputs, decodeParameters, type InferParameters, isEncodedReference } from "../tensor/mod.ts";
import { WAYBILL_PREFIX } from "../waybill/mod.ts";

/** An input of a request that was given up, without its contents. */
export interface DeadInput {
  /** What the operator calls it. */
  readonly name: string;
  /** What its elements are, by KServe's name. */
  readonly dtype: string;
  /** Its dimensions. */
  readonly shape: readonly number[];
  /** Its size in bytes. */
  readonly byteSize: number;
  /** Whether it is somewhere else: its lease may be over by now. */
  readonly byReference: boolean;
}

/** What a dead letter asked for, without tensors' contents and without secrets. */
export interface DeadRequest {
  /** The user's own id; `""` when none was given. */
  readonly id: string;
  /** The user's parameters. Waybills among them are left out: they are secrets. */
  readonly parameters: Readonly<InferParameters>;
  /** Its tensors. */
  readonly inputs: readonly DeadInput[];
  /** Names of the metadata that came along; values may be secrets. */
  readonly headers: readonly string[];
}

/** The requests of a client's namespace that were given up. */
export function deadLettersOf({ bus, namespace }: Client): DeadLetters {
  return new DeadLetters(bus, namespace);
}

/** What a letter asked for; `undefined` where its message cannot be read. Shows neither contents nor secrets. */
export function deadRequestOf({ payload, metadata }: DeadLetter): DeadRequest | undefined {
  try {
    const request = fromBinary(ModelInferRequestSchema, payload);
    const parameters = Object.entries(decodeParameters(request.parameters)).map(([name, value]) =>
      [name, typeof value === "string" && value.includes(WAYBILL_PREFIX) ? "(a waybill)" : value] as const
    );
    const headers = [...decodeMetadata(metadata).header.keys()];
    return { id: request.id, parameters: Object.fromEntries(parameters), inputs: inputsOf(request), headers };
  } catch {
    return undefined;
  }
}

function inputsOf(request: ModelInferRequest): DeadInput[] {
  return Object.entries(decodeInputs(request)).map(([name, tensor]) => {
    const byReference = isEncodedReference(tensor);
    const byteSize = byReference ? tensor.byteSize : tensor.bytes.length;
    return { name, dtype: tensor.dtype, shape: tensor.shape, byteSize, byReference };
  });
}
