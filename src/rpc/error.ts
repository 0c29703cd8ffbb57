import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJsonBytes, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { ErrorDetailSchema } from "../../gen/waybill/v1/error_pb.ts";

/** What programs may act on in an error. Fields that do not apply are empty or 0. */
export interface ErrorDetail {
  /** Why, in a word that stays the same: `"OPERATOR_FAILED"`, `"MESSAGE_TOO_LARGE"`, … */
  readonly reason: string;
  /** The operator that was called. */
  readonly operator: string;
  /** The instance that answered. */
  readonly instance: string;
  /** Which execution of the request it was, from 1. */
  readonly attempt: number;
  /** When to try again, where trying again makes sense. */
  readonly retryDelayMs: number;
}

/** What a typed error may say about itself. */
export type ErrorFacts = Partial<ErrorDetail>;

/**
 * The one error type of this project, with its typed detail: read it back with {@linkcode errorDetail}.
 *
 * @param message what was attempted, the value seen, the value wanted
 * @param facts what programs may act on
 */
export function fault(message: string, code: Code, facts: ErrorFacts = {}, cause?: unknown): ConnectError {
  const value = create(ErrorDetailSchema, facts);
  return new ConnectError(message, code, undefined, [{ desc: ErrorDetailSchema, value }], cause);
}

/** The typed detail of an error, whether it was made here or came over the wire; `undefined` when it has none. */
export function errorDetail(error: unknown): ErrorDetail | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  for (const detail of error.details) {
    if ("desc" in detail && detail.desc.typeName === ErrorDetailSchema.typeName) {
      return create(ErrorDetailSchema, detail.value as ErrorFacts);
    }
  }
  return error.findDetails(ErrorDetailSchema)[0];
}

/** An error as the payload of an `error` frame: Connect's own JSON. Causes stay at home. */
export function encodeError(error: ConnectError): Uint8Array {
  return errorToJsonBytes(error, undefined);
}

/** Reads the payload of an `error` frame. */
export function decodeError(payload: Uint8Array, metadata: Headers): ConnectError {
  const fallback = new ConnectError("Cannot read the error that was answered", Code.Unknown);
  try {
    return errorFromJsonBytes(payload, metadata, fallback);
  } catch (error) {
    return ConnectError.from(error);
  }
}

/** Turns an abort reason into an error: a `ConnectError` stays what it is, anything else is `canceled` (or past its time). */
export function abortError(signal: AbortSignal): ConnectError {
  const reason: unknown = signal.reason;
  if (reason instanceof ConnectError) return reason;
  const timedOut = reason instanceof Error && reason.name === "TimeoutError";
  return new ConnectError(
    timedOut ? "The call ran out of time" : "The call was canceled by its caller",
    timedOut ? Code.DeadlineExceeded : Code.Canceled,
    undefined,
    undefined,
    reason,
  );
}
