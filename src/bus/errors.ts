import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Whether an error of a NATS client, of any generation, means that the broker refuses who we are or what we may do:
 * trying again with the same credentials cannot help.
 */
export function isRefusal(error: unknown): boolean {
  const code = codeOf(error);
  return code === Code.Unauthenticated || code === Code.PermissionDenied;
}

/**
 * The same failure as a `ConnectError`: `Cannot <action>: <reason>`, the original kept as its cause.
 *
 * @param action what was attempted, such as `connect to "nats://localhost:4222"`; must hold no secret
 */
export function toBusError(error: unknown, action: string): ConnectError {
  if (error instanceof ConnectError) return error;
  const code = codeOf(error);
  const reason = code === Code.Unauthenticated ? "the broker refuses these credentials" : reasonOf(error);
  return new ConnectError(`Cannot ${action}: ${reason}`, code, undefined, undefined, error);
}

/** What a message larger than the broker's limit ends in, with both sizes. */
export function tooLargeError(subject: string, sizeBytes: number, maxBytes: number): ConnectError {
  return new ConnectError(
    `Cannot publish to "${subject}": the broker takes at most ${maxBytes} bytes of payload and headers, got ${sizeBytes}`,
    Code.ResourceExhausted,
  );
}

/** What any use of a connection ends in once it is closed. */
export function closedError(action: string, cause?: unknown): ConnectError {
  return new ConnectError(
    `Cannot ${action}: the connection to the broker is closed`,
    Code.Unavailable,
    undefined,
    undefined,
    cause,
  );
}

/** What publishing to, or subscribing to, something that is no subject ends in. */
export function subjectError(action: string, subject: string): ConnectError {
  return new ConnectError(
    `Cannot ${action}: a subject has one or more tokens without white space, got ${JSON.stringify(subject)}`,
    Code.InvalidArgument,
  );
}

/** What a handler that throws is reported as. */
export function handlerError(thrown: unknown): ConnectError {
  return new ConnectError("Cannot handle a message: the handler threw", Code.Internal, undefined, undefined, thrown);
}

/** `nats` 2.29 and `nats.ws` 1.30 put the kind of failure into `code`, @nats-io 3.4 into the class name. */
function codeOf(error: unknown): Code {
  if (error instanceof ConnectError) return error.code;
  const { name, code, cause } = fieldsOf(error);
  return codes.get(code) ?? codes.get(name) ??
    (name === "RequestError" && cause !== undefined ? codeOf(cause) : Code.Unavailable);
}

const codes: ReadonlyMap<string, Code> = new Map([
  ["503", Code.Unavailable],
  ["NoResponders", Code.Unavailable],
  ["TIMEOUT", Code.DeadlineExceeded],
  ["TimeoutError", Code.DeadlineExceeded],
  ["AbortError", Code.Canceled],
  ["AUTHORIZATION_VIOLATION", Code.Unauthenticated],
  ["AUTHENTICATION_EXPIRED", Code.Unauthenticated],
  ["ACCOUNT_EXPIRED", Code.Unauthenticated],
  ["BAD_AUTHENTICATION", Code.Unauthenticated],
  ["BAD_CREDS", Code.Unauthenticated],
  ["AuthorizationError", Code.Unauthenticated],
  ["UserAuthenticationExpiredError", Code.Unauthenticated],
  ["PERMISSIONS_VIOLATION", Code.PermissionDenied],
  ["PermissionViolationError", Code.PermissionDenied],
  ["MAX_PAYLOAD_EXCEEDED", Code.ResourceExhausted],
  ["BAD_SUBJECT", Code.InvalidArgument],
  ["BAD_PAYLOAD", Code.InvalidArgument],
  ["BAD_HEADER", Code.InvalidArgument],
  ["INVALID_OPTION", Code.InvalidArgument],
  ["InvalidSubjectError", Code.InvalidArgument],
  ["InvalidArgumentError", Code.InvalidArgument],
]);

/** The client's own words; the older ones have the telling ones in a second error. */
export function reasonOf(error: unknown): string {
  const { message, code, chained } = fieldsOf(error);
  const reason = (chained || message || code).replace(/^Error: |\.$/g, "");
  // Node 24's websocket has no more to say of a refused connection than "TypeError".
  return reason === "" || /^\w*Error$/.test(reason) ? "the connection failed" : reason;
}

function fieldsOf(error: unknown): { name: string; code: string; message: string; chained: string; cause: unknown } {
  const { name, code, message, cause, chainedError } = (typeof error === "object" && error !== null ? error : {}) as Fields;
  const chained = chainedError === undefined ? "" : fieldsOf(chainedError).message;
  return {
    name: typeof name === "string" ? name : "",
    code: typeof code === "string" ? code : "",
    message: typeof message === "string" ? message : typeof error === "string" ? error : "",
    // `nats.ws` 1.30 makes an error of whatever the socket's event has, often nothing.
    chained: chained === "undefined" || chained === "null" ? "" : chained,
    cause,
  };
}

type Fields = Record<"name" | "code" | "message" | "cause" | "chainedError", unknown>;
