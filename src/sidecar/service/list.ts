import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HeldTensorSchema, ListRequest, ListResponseSchema } from "../../../gen/waybill/v1/lease_pb.ts";
import type { TensorStore } from "../../data/store.ts";
import { shapeToWire } from "../../tensor/shape.ts";
import { memoryToWire } from "../../waybill/descriptor.ts";

/** Leases in one message. */
const PAGE = 1_024;

/** `LeaseService.List`: what a store holds, as it is when each page is made. */
export function* list(
  store: TensorStore,
  { limit }: Pick<ListRequest, "limit">,
): Generator<MessageInitShape<typeof ListResponseSchema>> {
  let tensors: MessageInitShape<typeof HeldTensorSchema>[] = [];
  let left = limit === 0 ? Infinity : limit;
  for (const { shape, byteLength, memory, expiresAtMs, ...lease } of store.list()) {
    if (left-- <= 0) break;
    tensors.push({
      ...lease,
      shape: shapeToWire(shape),
      byteSize: BigInt(byteLength),
      memory: memoryToWire(memory),
      expiresAtMs: BigInt(Math.floor(expiresAtMs)),
    });
    if (tensors.length < PAGE) continue;
    yield { tensors };
    tensors = [];
  }
  if (tensors.length > 0) yield { tensors };
}
