import { type DescMessage, type Message, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { issuesText } from "../rpc/schema-issues.ts";

export const BYTES_TYPE = "application/octet-stream";
export const JSON_TYPE = "application/json";
export const PROTOBUF_TYPE = "application/x-protobuf";

/** What a payload must be: a protobuf message's schema, or one of any Standard Schema library. */
export type PayloadSchema = DescMessage | StandardSchemaV1;

/** A payload as it travels. */
export interface EncodedPayload {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** What events of it are called unless told otherwise. */
  readonly type: string;
}

/** Encodes bytes as they are, a message by its schema, anything else as JSON after its schema has seen it. */
export async function encodePayload(
  action: string,
  payload: unknown,
  schema: PayloadSchema | undefined,
): Promise<EncodedPayload> {
  if (schema !== undefined && isMessageSchema(schema)) {
    const { typeName: type } = schema;
    try {
      return { bytes: toBinary(schema, payload as Message), contentType: PROTOBUF_TYPE, type };
    } catch (error) {
      throw refusal(`${action}: its payload must be a ${type}`, error);
    }
  }
  // What a schema makes of the payload is for those who read it.
  if (schema !== undefined) await checkPayload(action, schema, payload);
  if (payload instanceof Uint8Array) return { bytes: payload, contentType: BYTES_TYPE, type: "bytes" };
  return { bytes: jsonBytes(action, payload), contentType: JSON_TYPE, type: "json" };
}

/**
 * Has a schema check a value.
 *
 * @returns what the schema makes of it
 * @throws {ConnectError} `invalid_argument` naming what does not fit
 */
export async function checkPayload<S extends StandardSchemaV1>(
  action: string,
  schema: S,
  value: unknown,
): Promise<StandardSchemaV1.InferOutput<S>> {
  const result = await schema["~standard"].validate(value);
  if (result.issues === undefined) return result.value as StandardSchemaV1.InferOutput<S>;
  throw refusal(`${action}: ${issuesText(result.issues)}`);
}

function isMessageSchema(schema: PayloadSchema): schema is DescMessage {
  return "kind" in schema && schema.kind === "message";
}

function jsonBytes(action: string, value: unknown): Uint8Array {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw refusal(`${action}: its payload must be bytes or JSON, got ${String(error)}`, error);
  }
  if (text === undefined) throw refusal(`${action}: its payload must be bytes or JSON, got ${typeof value}`);
  return new TextEncoder().encode(text);
}

function refusal(text: string, cause?: unknown): ConnectError {
  return new ConnectError(text, Code.InvalidArgument, undefined, undefined, cause);
}
