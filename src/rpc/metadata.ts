import { Code, ConnectError } from "@connectrpc/connect";
import { PlainHeaders } from "../telemetry/plain-headers.ts";
import { isTrace } from "./frame.ts";

/** Most bytes of metadata in one frame: a header block is parsed by the broker and by every reader. */
export const MAX_METADATA_BYTES: number = 16 * 1024;

const EMPTY = "";

/**
 * Encodes headers, and where there are any trailers, as the value of `wb-meta`: never as header names of the bus, where
 * names such as `Nats-Msg-Id` act on the broker. Answers `""` when there is nothing to say.
 *
 * @throws {ConnectError} `resource_exhausted` past {@linkcode MAX_METADATA_BYTES}
 */
export function encodeMetadata(header: Headers | PlainHeaders | undefined, trailer?: Headers): string {
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

/** A call's trace context where it is all that its headers say, for the frame to carry; else empty. */
export function traceAlone(header: Headers | PlainHeaders | undefined): string {
  if (!(header instanceof PlainHeaders) || header.length !== 1) return "";
  const [name, value] = header[0]!;
  return name === "traceparent" && isTrace(value) ? value : "";
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

/** The same without `Headers`, for who reads one or two of them. Garbage counts as none. */
export function decodePairs(value: string | undefined): PlainHeaders {
  const pairs = new PlainHeaders();
  if (value === undefined || value === EMPTY) return pairs;
  try {
    const parsed: unknown = JSON.parse(value);
    const header: unknown = Array.isArray(parsed) ? parsed[0] : undefined;
    for (const pair of Array.isArray(header) ? header : []) {
      const [name, text] = Array.isArray(pair) ? pair : [];
      if (typeof name === "string" && typeof text === "string") pairs.push([name, text]);
    }
  } catch {
    // As with `Headers`.
  }
  return pairs;
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
