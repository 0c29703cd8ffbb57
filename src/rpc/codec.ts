import {
  type DescMessage,
  fromBinary,
  fromJsonString,
  type MessageShape,
  type Registry,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Codec } from "./frame.ts";

/** A message type's own way to and from protobuf's wire format, where the general one is too slow. */
export interface MessageCodec<T = unknown> {
  encode(message: T): Uint8Array;
  /** `bytes` fields of the result alias the input. Throws whatever it likes on broken input. */
  decode(bytes: Uint8Array): T;
}

/** Codecs by protobuf type name. Types without one go the general way. */
export type MessageCodecs = ReadonlyMap<string, MessageCodec>;

/** No codecs. */
export const generalCodecs: MessageCodecs = new Map();

/** Encodes a message as a frame's payload. The registry knows what `Any` may hold, which the JSON form needs. */
export function encodeMessage<T extends DescMessage>(
  codec: Codec,
  type: T,
  message: MessageShape<T>,
  codecs: MessageCodecs = generalCodecs,
  registry?: Registry,
): Uint8Array {
  if (codec === "json") return new TextEncoder().encode(toJsonString(type, message, { registry }));
  const own = codecs.get(type.typeName);
  return own === undefined ? toBinary(type, message) : own.encode(message);
}

/**
 * Decodes a frame's payload. `bytes` fields alias it.
 *
 * @throws {ConnectError} `invalid_argument` when the payload is no such message
 */
export function decodeMessage<T extends DescMessage>(
  codec: Codec,
  type: T,
  payload: Uint8Array,
  codecs: MessageCodecs = generalCodecs,
  registry?: Registry,
): MessageShape<T> {
  try {
    if (codec === "json") {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(payload);
      return fromJsonString(type, text, { ignoreUnknownFields: true, registry });
    }
    const own = codecs.get(type.typeName);
    return own === undefined ? fromBinary(type, payload) : own.decode(payload) as MessageShape<T>;
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
