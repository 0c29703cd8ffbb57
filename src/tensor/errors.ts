/**
 * Errors and values as the tensor and waybill layers word them.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Makes the error for something that the caller must change.
 *
 * @param message names the action that failed, then the rule, the value seen and the value wanted
 */
export function invalidArgument(message: string, cause?: unknown): ConnectError {
  return new ConnectError(message, Code.InvalidArgument, undefined, undefined, cause);
}

/** A value as error messages show it: strings quoted and cut at 40 characters, bigints with their `n`, objects by kind. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return `a ${Object.prototype.toString.call(value).slice(8, -1)}`;
  return String(value);
}

/** A shape as error messages show it: `[1,3,224,224]`; past eight dimensions the rest is counted. */
export function showShape(shape: readonly (number | bigint)[]): string {
  if (shape.length <= 8) return `[${shape.join(",")}]`;
  return `[${shape.slice(0, 8).join(",")},… ${shape.length - 8} more]`;
}
