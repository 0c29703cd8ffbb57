import type { MessageInitShape } from "@bufbuild/protobuf";
import type { PinnedTensorSchema } from "../../../gen/waybill/v1/session_pb.ts";
import type { TensorPin } from "../../data/held-tensor.ts";
import { shapeToWire } from "../../tensor/shape.ts";
import { memoryToWire } from "../../waybill/descriptor.ts";
import { locationToWire, type Session } from "./session.ts";

/**
 * Hands a pin to a session, which holds it from then on, and says where the bytes are.
 *
 * @throws {ConnectError} as `Session.pin`
 */
export function pinToWire(session: Session, pin: TensorPin): MessageInitShape<typeof PinnedTensorSchema> {
  const { held, location } = pin;
  return {
    pin: session.pin(pin),
    block: location && locationToWire(location),
    dtype: held.dtype,
    shape: shapeToWire(held.shape),
    byteSize: BigInt(held.byteLength),
    memory: memoryToWire(held.memory),
    device: held.device,
  };
}
