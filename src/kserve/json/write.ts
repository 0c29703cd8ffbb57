import { base64Encode } from "@bufbuild/protobuf/wire";
import type { ParameterValue, Tensor } from "../../tensor/mod.ts";
import { invalid } from "../errors.ts";

/** A number as Triton prints it: exact, with a decimal point, and what JSON has no number for as a bare word. */
export function realToJson(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  const text = Object.is(value, -0) ? "-0" : String(value);
  return Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text;
}

/** A parameter's value. */
export function parameterToJson(value: ParameterValue): string {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isSafeInteger(value) ? String(value) : realToJson(value);
  return JSON.stringify(value);
}

/** An object of values that are JSON already; those that are `undefined` are left out. */
export function objectToJson(members: Iterable<readonly [key: string, json: string | undefined]>): string {
  const parts: string[] = [];
  for (const [key, json] of members) if (json !== undefined) parts.push(`${JSON.stringify(key)}:${json}`);
  return `{${parts.join(",")}}`;
}

/** How BYTES are written. */
export interface ElementOptions {
  /** BYTES as Base64. Default: as text, which they have to be then. */
  base64?: boolean;
}

/**
 * The elements of a tensor as a list of JSON values, flat.
 *
 * @throws {ConnectError} `invalid_argument` for BYTES that are no UTF-8
 */
export function elementsToJson(name: string, tensor: Tensor, { base64 = false }: ElementOptions = {}): string[] {
  switch (tensor.dtype) {
    case "BOOL":
      return Array.from(tensor.bytes, (byte) => byte === 0 ? "false" : "true");
    case "FP16":
    case "BF16":
    case "FP32":
    case "FP64":
      return Array.from(tensor.dtype === "FP64" ? tensor.toNumbers() : tensor.toFloat32Array(), realToJson);
    case "BYTES":
      return base64 ? tensor.elements().map((bytes) => `"${base64Encode(bytes)}"`) : texts(name, tensor);
    default:
      return Array.from(tensor.data as ArrayLike<number | bigint>, String);
  }
}

function texts(name: string, tensor: Tensor): string[] {
  let strings: string[];
  try {
    strings = tensor.strings();
  } catch (cause) {
    throw invalid(
      `output '${name}' holds bytes that are not UTF-8, which JSON cannot carry: ` +
        "ask for it with binary_data, or with the parameter base64",
      cause,
    );
  }
  return strings.map((text) => JSON.stringify(text));
}
