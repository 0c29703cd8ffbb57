import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { objectToJson, realToJson } from "./write.ts";

/**
 * A protobuf message as Triton prints it: fields by their own names, enums by name, 64-bit integers as numbers, what is not set and no
 * message with its default.
 */
export function messageToJson(desc: DescMessage, message: Message): string {
  const record = message as unknown as Readonly<Record<string, unknown>>;
  return objectToJson(desc.fields.map((field) => [field.name, fieldToJson(field, record)] as const));
}

function fieldToJson(field: DescField, record: Readonly<Record<string, unknown>>): string | undefined {
  if (field.oneof !== undefined) {
    const chosen = record[field.oneof.localName] as { readonly case?: string; readonly value?: unknown };
    return chosen.case === field.localName ? valueToJson(field, chosen.value) : undefined;
  }
  const value = record[field.localName];
  if (field.fieldKind === "list") return `[${(value as unknown[]).map((one) => valueToJson(field, one)).join(",")}]`;
  if (field.fieldKind === "map") {
    return objectToJson(Object.entries(value as object).map(([key, one]) => [key, valueToJson(field, one)] as const));
  }
  return value === undefined ? undefined : valueToJson(field, value);
}

function valueToJson(field: DescField, value: unknown): string {
  if (field.message !== undefined) return messageToJson(field.message, value as Message);
  if (field.enum !== undefined) return JSON.stringify(field.enum.value[value as number]?.name ?? value);
  if (value instanceof Uint8Array) return JSON.stringify(base64Encode(value));
  if (typeof value === "bigint") return String(value);
  const real = field.scalar === ScalarType.DOUBLE || field.scalar === ScalarType.FLOAT;
  return real ? realToJson(value as number) : JSON.stringify(value);
}
