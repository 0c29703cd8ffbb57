/**
 * Errors as Triton words them: clients match on the texts.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";

/** What a client has to change. */
export function invalid(message: string, cause?: unknown): ConnectError {
  return new ConnectError(message, Code.InvalidArgument, undefined, undefined, cause);
}

/** A model, or a version of it, that is not there. */
export function unknownModel(name: string, version: string = ""): ConnectError {
  const which = version === "" ? "" : ` version ${version}`;
  return new ConnectError(`Request for unknown model: '${name}'${which} is not found`, Code.NotFound);
}

/** A model that is known and not served. */
export function noVersions(name: string): ConnectError {
  return new ConnectError(`Request for unknown model: '${name}' has no available versions`, Code.NotFound);
}

/** What the server does not do, or was not allowed to. */
export function unsupported(message: string): ConnectError {
  return new ConnectError(message, Code.Unimplemented);
}

/** How most messages about a request begin. */
export function requestPrefix(id: string): string {
  return `[request id: ${id === "" ? "<id_unknown>" : id}] `;
}

const STATUSES: ReadonlyMap<Code, number> = new Map([
  [Code.InvalidArgument, 400],
  [Code.AlreadyExists, 400],
  [Code.Canceled, 400],
  [Code.OutOfRange, 400],
  [Code.FailedPrecondition, 400],
  [Code.Unauthenticated, 401],
  [Code.PermissionDenied, 403],
  [Code.NotFound, 404],
  [Code.Unimplemented, 501],
  [Code.Unavailable, 503],
  [Code.ResourceExhausted, 503],
  [Code.DeadlineExceeded, 503],
]);

/** The HTTP status that Triton gives an error of this kind; 500 for the rest. */
export function statusOf(error: ConnectError): number {
  return STATUSES.get(error.code) ?? 500;
}

/**
 * A version as the protocol has it: digits, without leading zeros; `""` for none.
 *
 * @throws {ConnectError} `invalid_argument` for anything else
 */
export function checkVersion(version: string): string {
  if (version === "") return "";
  if (/^[0-9]+$/.test(version) && BigInt(version) < 2n ** 63n) return String(BigInt(version));
  throw invalid(
    `failed to get model version from specified version string '${version}' (details: stol), ` +
      "version should be an integral value > 0",
  );
}
