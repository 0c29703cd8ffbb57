import { Code, ConnectError } from "@connectrpc/connect";
import { abortError, fault } from "../rpc/error.ts";
import type { DiscoveryCallOptions } from "./discovery.ts";

/** The default time limit of a call. */
export const DEFAULT_TIMEOUT_MS = 5000;

/** Whether an error has this code. */
export function hasCode(error: unknown, code: Code): error is ConnectError {
  return error instanceof ConnectError && error.code === code;
}

/** A failed request to the broker as callers of discovery get it: silence is `unavailable`, since nobody can tell then. */
export function storeError(error: unknown, action: string, options: DiscoveryCallOptions): ConnectError {
  if (options.signal?.aborted === true) return abortError(options.signal);
  const reason = error instanceof ConnectError ? error.rawMessage : String(error);
  const silent = hasCode(error, Code.DeadlineExceeded);
  const code = silent ? Code.Unavailable : error instanceof ConnectError ? error.code : Code.Unavailable;
  return fault(`Cannot ${action}: ${reason}`, code, {}, error);
}
