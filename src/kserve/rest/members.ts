import { invalid } from "../errors.ts";
import type { InferParameters, ParameterValue } from "../../tensor/mod.ts";
import { type Json, type JsonObject, JsonSlice } from "../json/scanner.ts";

/** Whether a value is an object. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof JsonSlice);
}

/** A member that must be there. `field` names it in the error, as do all of these. */
export function required(object: Json | undefined, field: string): Json {
  const value = isObject(object) ? object[field] : undefined;
  if (value === undefined) throw failed(field, `attempt to access non-existing object member '${field}'`);
  return value;
}

/** A value as an array. */
export function asArray(field: string, value: Json): readonly Json[] {
  if (Array.isArray(value)) return value as readonly Json[];
  throw failed(field, "attempt to access JSON non-array as array");
}

/** A value as text. */
export function asText(field: string, value: Json): string {
  if (typeof value === "string") return value;
  throw failed(field, "attempt to access JSON non-string as string");
}

/** A value as a boolean. */
export function asBoolean(field: string, value: Json): boolean {
  if (typeof value === "boolean") return value;
  throw failed(field, "attempt to access JSON non-boolean as boolean");
}

/** A value as an integer from 0. */
export function asUnsigned(field: string, value: Json): number | bigint {
  if (typeof value === "bigint" && value >= 0n && value < 2n ** 64n) return value;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw failed(field, "attempt to access JSON non-unsigned-integer as unsigned-integer");
}

/** A value as an integer from 0 to 2^53 - 1. */
export function asSize(field: string, value: Json): number {
  const size = asUnsigned(field, value);
  if (typeof size === "number") return size;
  throw failed(field, `${size} is out of range`);
}

/** Parameters of a tensor; `undefined` for none. */
export function parametersOf(tensor: JsonObject): JsonObject | undefined {
  const { parameters } = tensor;
  if (parameters === undefined) return undefined;
  if (isObject(parameters)) return parameters;
  throw invalid("failed to get request params.: attempt to get members for non-object");
}

/**
 * The parameters of a request, those of the protocol by their own types.
 *
 * @throws {ConnectError} `invalid_argument` for one of another type and for a name that belongs to the server
 */
export function requestParameters(object: JsonObject): InferParameters {
  const given = parametersOf(object);
  const parameters: InferParameters = {};
  for (const name in given) {
    const value = parameterOf(name, given[name]!);
    Object.defineProperty(parameters, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return parameters;
}

/** One parameter of a request; throws as {@linkcode requestParameters} does. */
export function parameterOf(name: string, value: Json): ParameterValue {
  switch (name) {
    case "sequence_id":
      return typeof value === "string" ? value : asUnsigned(name, value);
    case "sequence_start":
    case "sequence_end":
    case "binary_data_output":
      return asBoolean(name, value);
    case "priority":
    case "timeout":
      return asUnsigned(name, value);
  }
  if (name.startsWith("triton_")) {
    throw invalid(
      "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
    );
  }
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "number") return value;
  // Integers past 64 bits are numbers to Triton too.
  if (typeof value === "bigint") return BigInt.asIntN(64, value) === value ? value : Number(value);
  throw invalid(`parameter '${name}' has invalid type. It should be either 'int', 'bool', or 'string'.`);
}

/** The error for a member that cannot be read. */
export function failed(field: string, detail: string): Error {
  return invalid(`Unable to parse '${field}': ${detail}`);
}
