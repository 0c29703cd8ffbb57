import { type DescMessage, fromBinary, fromJsonString, type MessageShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Codec } from "./frame.ts";

const NO_UNKNOWN = { ignoreUnknownFields: true } as const;

/** Encodes a message as a frame's payload. */
export function encodeMessage<T extends DescMessage>(codec: Codec, type: T, message: MessageShape<T>): Uint8Array {
  return codec === "proto" ? toBinary(type, message) : new TextEncoder().encode(toJsonString(type, message));
}

/**
 * Decodes a frame's payload. `bytes` fields alias it.
 *
 * @throws {ConnectError} `invalid_argument` when the payload is no such message
 */
export function decodeMessage<T extends DescMessage>(codec: Codec, type: T, payload: Uint8Array): MessageShape<T> {
  try {
    return codec === "proto"
      ? fromBinary(type, payload)
      : fromJsonString(type, new TextDecoder("utf-8", { fatal: true }).decode(payload), NO_UNKNOWN);
  } catch (cause) {
    throw new ConnectError(
      `Cannot decode a message: ${payload.length} bytes are no ${type.typeName} in ${codec}`,
      Code.InvalidArgument,
      undefined,
      undefined,
      cause,
    );
  }
}
