import { Code, ConnectError } from "@connectrpc/connect";

/** Most bytes of metadata in one frame: a header block is parsed by the broker and by every reader. */
export const MAX_METADATA_BYTES: number = 16 * 1024;

const EMPTY = "";

/**
 * Encodes headers, and where there are any trailers, as the value of `wb-meta`: never as header names of the bus, where
 * names such as `Nats-Msg-Id` act on the broker. Answers `""` when there is nothing to say.
 *
 * @throws {ConnectError} `resource_exhausted` past {@linkcode MAX_METADATA_BYTES}
 */
export function encodeMetadata(header: Headers | undefined, trailer?: Headers): string {
  const headers = header === undefined ? [] : [...header];
  const trailers = trailer === undefined ? [] : [...trailer];
  if (headers.length === 0 && trailers.length === 0) return EMPTY;
  // Header values are bytes to `Headers`; the bus takes printable ASCII alone.
  const value = JSON.stringify(trailers.length === 0 ? [headers] : [headers, trailers]).replace(/[^ -~]/g, escaped);
  if (value.length > MAX_METADATA_BYTES) {
    throw new ConnectError(
      `Cannot send metadata: it takes ${value.length} bytes, more than the limit of ${MAX_METADATA_BYTES}`,
      Code.ResourceExhausted,
    );
  }
  return value;
}

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Headers and trailers as they came; garbage counts as none. */
export interface Metadata {
  readonly header: Headers;
  readonly trailer: Headers;
}

/** Reads the value of `wb-meta`. */
export function decodeMetadata(value: string | undefined): Metadata {
  return { header: headersAt(value, 0), trailer: headersAt(value, 1) };
}

/** Reads the headers of a `wb-meta` alone, as requests have no trailers. */
export function decodeHeader(value: string | undefined): Headers {
  return headersAt(value, 0);
}

function headersAt(value: string | undefined, place: 0 | 1): Headers {
  if (value === undefined || value === EMPTY) return new Headers();
  try {
    const parsed: unknown = JSON.parse(value);
    return new Headers(Array.isArray(parsed) ? parsed[place] ?? [] : []);
  } catch {
    return new Headers();
  }
}
