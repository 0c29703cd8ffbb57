import { invalidArgument, show } from "../tensor/errors.ts";

/**
 * Checks an option that counts something.
 *
 * @throws {ConnectError} `invalid_argument` unless it is an integer from `min`
 */
export function checkAtLeast(action: string, name: string, value: number, min: number): number {
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw invalidArgument(`${action}: ${name} must be an integer from ${min}, got ${show(value)}`);
}
