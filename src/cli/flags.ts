import { Code, ConnectError } from "@connectrpc/connect";
import type { LogLevel } from "../deployment/mod.ts";

function refusal(flag: string, wanted: string, seen: string): ConnectError {
  return new ConnectError(`Cannot run this: ${flag} must be ${wanted}, got "${seen}"`, Code.InvalidArgument);
}

/** A flag that is a number from 0 on. */
export function whole(flag: string, text: string | undefined, max: number = Number.MAX_SAFE_INTEGER): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= max) return value;
  throw refusal(flag, max === 65_535 ? "a port from 0 to 65535" : "a whole number from 0", text);
}

/** A flag that is a port. */
export function port(flag: string, text: string | undefined): number | undefined {
  return whole(flag, text, 65_535);
}

const levels: Readonly<Record<string, LogLevel>> = {
  error: "error",
  warn: "warn",
  info: "info",
  debug: "debug",
  0: "error",
  1: "info",
};

/** A flag that is a log level, by name or by number. */
export function logLevel(flag: string, text: string | undefined): LogLevel | undefined {
  if (text === undefined) return undefined;
  const level = Object.hasOwn(levels, text) ? levels[text] : /^\d+$/.test(text) ? "debug" : undefined;
  if (level !== undefined) return level;
  throw refusal(flag, "error, warn, info, debug or a number from 0", text);
}

const units: Readonly<Record<string, number>> = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** A flag that is a number of bytes above 0, with a unit or without. */
export function bytes(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?) ?([KMGT]iB)?$/.exec(text) ?? [];
  const value = Math.floor(Number(digits) * (units[unit] ?? NaN));
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw refusal(flag, "bytes such as 1048576, 512MiB or 8GiB", text);
}
