import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";

/** What statuses without a Connect error mean; others are unknown. */
const CODES: Readonly<Record<number, Code>> = {
  400: Code.Internal,
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  404: Code.Unimplemented,
  429: Code.Unavailable,
  502: Code.Unavailable,
  503: Code.Unavailable,
  504: Code.Unavailable,
};
/** Trailers of a unary answer travel among its headers, so marked. */
const TRAILER = "trailer-";

/**
 * Headers and trailers of a unary answer.
 *
 * @throws {ConnectError} the error that it is instead
 */
export async function checkUnary(response: Response, type: string): Promise<{ header: Headers; trailer: Headers }> {
  const header = new Headers();
  const trailer = new Headers();
  response.headers.forEach((value, name) => {
    if (name.startsWith(TRAILER)) trailer.append(name.slice(TRAILER.length), value);
    else header.append(name, value);
  });
  const answered = response.headers.get("content-type");
  if (response.status === 200 && answered === type) {
    checkEncoding(response, "content-encoding");
    return { header, trailer };
  }
  if (response.status === 200 || !/^application\/json\b/.test(answered ?? "")) throw await httpError(response);
  const metadata = new Headers(header);
  trailer.forEach((value, name) => metadata.append(name, value));
  throw errorFromJsonBytes(new Uint8Array(await response.arrayBuffer()), metadata, statusError(response));
}

/** What an answer means that is not Connect's; the rest of it is let go. */
export async function httpError(response: Response): Promise<ConnectError> {
  await response.body?.cancel();
  if (response.status !== 200) return statusError(response);
  const type = response.headers.get("content-type") ?? "";
  // Connect's own in another codec, or something else altogether.
  const code = /^application\/(json|proto|connect\+)/.test(type) ? Code.Internal : Code.Unknown;
  return new ConnectError(`unsupported content type ${type}`, code, response.headers);
}

/**
 * Makes sure that an answer can be read: of whole ones `fetch` undoes what it has asked for itself, of messages in a stream nothing
 * was asked for.
 *
 * @param name of the header that says how it is compressed
 * @throws {ConnectError} `internal`
 */
export function checkEncoding({ headers }: Response, name: "content-encoding" | "connect-content-encoding"): void {
  const encoding = headers.get(name) ?? "identity";
  if (encoding === "identity" || name === "content-encoding" && /^(gzip|deflate|br|zstd)$/.test(encoding)) return;
  throw new ConnectError(
    `Cannot read an answer: its encoding must be one that was asked for, got "${encoding}"`,
    Code.Internal,
  );
}

function statusError({ status, headers }: Response): ConnectError {
  return new ConnectError(`HTTP ${status}`, CODES[status] ?? Code.Unknown, headers);
}

/**
 * Reads how a stream ended.
 *
 * @throws {ConnectError} the error that it ended with
 */
export function endOf(data: Uint8Array, trailer: Headers): void {
  let end: { metadata?: Record<string, string[]>; error?: unknown };
  try {
    end = JSON.parse(new TextDecoder().decode(data));
    for (const [name, values] of Object.entries(end.metadata ?? {})) {
      for (const value of values) trailer.append(name, value);
    }
  } catch (cause) {
    throw new ConnectError(
      "Cannot read how a stream ended: it is no JSON of Connect",
      Code.Internal,
      undefined,
      undefined,
      cause,
    );
  }
  if (end.error === undefined || end.error === null) return;
  const fallback = new ConnectError("Cannot read the error that a stream ended with", Code.Unknown);
  throw errorFromJsonBytes(new TextEncoder().encode(JSON.stringify(end.error)), trailer, fallback);
}
