/**
 * Descriptors as protobuf bytes, as JSON and as one URL-safe string. Each holds the capability, a bearer secret: send it to whom
 * it is for and never log it. Error messages therefore never show what was to be decoded.
 *
 * @module
 */
import { fromBinary, fromJson, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { ConnectError } from "@connectrpc/connect";
import { type TensorDescriptor, TensorDescriptorSchema } from "../../gen/waybill/v1/tensor_pb.ts";
import { invalidArgument } from "../tensor/errors.ts";
import { crc32 } from "./crc32.ts";
import { type Waybill, waybillFromMessage, waybillToMessage } from "./descriptor.ts";

/** Bytes of the largest descriptor as protobuf. */
export const MAX_WAYBILL_BYTES = 8192;

/** What every descriptor string starts with; the digit is its version. */
export const WAYBILL_PREFIX = "wb1.";

const CHECKSUM_BYTES = 4;
const MAX_STRING_LENGTH = WAYBILL_PREFIX.length + Math.ceil(((MAX_WAYBILL_BYTES + CHECKSUM_BYTES) * 4) / 3);

const ACTION = "Cannot decode a waybill";

/**
 * A descriptor as protobuf.
 *
 * @throws {ConnectError} `invalid_argument` past 8 KiB
 */
export function waybillToBytes(waybill: Waybill): Uint8Array {
  const bytes = toBinary(TensorDescriptorSchema, waybillToMessage(waybill));
  if (bytes.length <= MAX_WAYBILL_BYTES) return bytes;
  throw invalidArgument(`Cannot encode a waybill: it must be at most ${MAX_WAYBILL_BYTES} bytes, got ${bytes.length}`);
}

/**
 * A descriptor from protobuf, checked.
 *
 * @throws {ConnectError} `invalid_argument` for anything else
 */
export function waybillFromBytes(bytes: Uint8Array): Waybill {
  if (bytes.length > MAX_WAYBILL_BYTES) {
    throw invalidArgument(`${ACTION}: it must be at most ${MAX_WAYBILL_BYTES} bytes, got ${bytes.length}`);
  }
  return decode("protobuf", () => fromBinary(TensorDescriptorSchema, bytes, { readUnknownFields: false }));
}

/**
 * A descriptor as a JSON value, protobuf's JSON of `waybill.v1.TensorDescriptor`: 64-bit integers are strings, bytes Base64.
 *
 * @throws {ConnectError} `invalid_argument` past 8 KiB as protobuf
 */
export function waybillToJson(waybill: Waybill): JsonValue {
  waybillToBytes(waybill);
  return toJson(TensorDescriptorSchema, waybillToMessage(waybill));
}

/**
 * A descriptor from its JSON value, checked.
 *
 * @throws {ConnectError} `invalid_argument` for anything else
 */
export function waybillFromJson(json: JsonValue): Waybill {
  const waybill = decode("JSON", () => fromJson(TensorDescriptorSchema, json, { ignoreUnknownFields: true }));
  waybillToBytes(waybill);
  return waybill;
}

/**
 * A descriptor as one string of URL-safe characters: `wb1.` and, in Base64url without padding, the protobuf and its CRC-32.
 *
 * @throws {ConnectError} `invalid_argument` past 8 KiB as protobuf
 */
export function waybillToString(waybill: Waybill): string {
  const bytes = waybillToBytes(waybill);
  const checked = new Uint8Array(bytes.length + CHECKSUM_BYTES);
  checked.set(bytes);
  new DataView(checked.buffer).setUint32(bytes.length, crc32(bytes), true);
  return WAYBILL_PREFIX + base64Encode(checked, "url");
}

/**
 * A descriptor from its string, checked. The checksum finds every change of up to four neighbouring characters and all but one in
 * 4 billion others, so that a string which lost something on its way is told apart from one without a right.
 * It is no proof; the capability is.
 *
 * @throws {ConnectError} `invalid_argument` for anything else
 */
export function waybillFromString(text: string): Waybill {
  if (typeof text !== "string" || !text.startsWith(WAYBILL_PREFIX)) {
    throw invalidArgument(`${ACTION}: it must be a string that starts with "${WAYBILL_PREFIX}", got another value`);
  }
  if (text.length > MAX_STRING_LENGTH) {
    throw invalidArgument(`${ACTION}: it must have at most ${MAX_STRING_LENGTH} characters, got ${text.length}`);
  }
  const checked = decodeBase64Url(text.slice(WAYBILL_PREFIX.length));
  const end = (checked?.length ?? 0) - CHECKSUM_BYTES;
  if (checked === undefined || end < 0) {
    throw invalidArgument(`${ACTION}: it must be whole Base64url without padding, got ${text.length} characters that are not`);
  }
  const bytes = checked.subarray(0, end);
  if (new DataView(checked.buffer, checked.byteOffset).getUint32(end, true) !== crc32(bytes)) {
    throw invalidArgument(`${ACTION}: its checksum must fit, got a string that was changed or cut`);
  }
  return waybillFromBytes(bytes);
}

function decode(format: string, parse: () => TensorDescriptor): Waybill {
  let message: TensorDescriptor;
  try {
    message = parse();
  } catch {
    // No cause: protobuf's errors may quote the value.
    throw invalidArgument(`${ACTION}: it must be ${format} of waybill.v1.TensorDescriptor, got something else`);
  }
  try {
    return waybillFromMessage(message);
  } catch (cause) {
    throw invalidArgument(ConnectError.from(cause).rawMessage.replace("make", "decode"), cause);
  }
}

/** The bytes of Base64url in its one canonical form; `undefined` for any other text. */
function decodeBase64Url(text: string): Uint8Array | undefined {
  try {
    const bytes = base64Decode(text);
    // The decoder is lenient: it takes padding, both alphabets and stray bits at the end.
    return base64Encode(bytes, "url") === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}
