/**
 * The encoding of BYTES tensors: each element is its length as a little-endian u32, then its bytes. Exact: NUL bytes, byte order
 * marks and empty elements survive.
 *
 * @module
 */
import { invalidArgument, show } from "./errors.ts";

const MAX_ELEMENT_BYTES = 2 ** 32 - 1;

/** A string as UTF-8. Lone surrogates have none, so that they are refused rather than replaced. */
function utf8(text: string, index: number, encoder: TextEncoder): Uint8Array {
  if (!text.isWellFormed()) {
    throw invalidArgument(`Cannot encode BYTES: element ${index} must be well-formed Unicode, got a lone surrogate`);
  }
  return encoder.encode(text);
}

/**
 * Encodes elements; strings become UTF-8.
 *
 * @throws {ConnectError} `invalid_argument` for an element that is neither a string nor a `Uint8Array`, for one past 4 GiB, and
 * for a string with lone surrogates
 */
export function encodeElements(elements: ArrayLike<unknown>): Uint8Array {
  const encoder = new TextEncoder();
  const parts = new Array<Uint8Array>(elements.length);
  let total = 0;
  for (let i = 0; i < parts.length; i++) {
    const element = elements[i];
    if (typeof element !== "string" && !(element instanceof Uint8Array)) {
      throw invalidArgument(`Cannot encode BYTES: element ${i} must be a string or a Uint8Array, got ${show(element)}`);
    }
    const part = typeof element === "string" ? utf8(element, i, encoder) : element;
    if (part.length > MAX_ELEMENT_BYTES) {
      throw invalidArgument(`Cannot encode BYTES: element ${i} must be shorter than 2^32 bytes, got ${part.length}`);
    }
    parts[i] = part;
    total += 4 + part.length;
  }
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const part of parts) {
    view.setUint32(offset, part.length, true);
    bytes.set(part, offset + 4);
    offset += 4 + part.length;
  }
  return bytes;
}

/**
 * Walks over an encoding and calls `visit` with each element's bounds.
 *
 * @returns how many elements there are
 * @throws {ConnectError} `invalid_argument` where the encoding ends within an element
 */
export function visitElements(bytes: Uint8Array, visit?: (start: number, end: number) => void): number {
  let offset = 0;
  let count = 0;
  while (offset < bytes.length) {
    const left = bytes.length - offset;
    if (left < 4) {
      throw invalidArgument(`Cannot decode BYTES: element ${count} needs 4 bytes for its length, got ${left}`);
    }
    const length = (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>> 0;
    if (length > left - 4) {
      throw invalidArgument(`Cannot decode BYTES: element ${count} needs ${length} bytes, got ${left - 4}`);
    }
    offset += 4 + length;
    visit?.(offset - length, offset);
    count++;
  }
  return count;
}

/**
 * The elements of an encoding, as views of it.
 *
 * @throws {ConnectError} `invalid_argument` where the encoding ends within an element
 */
export function decodeElements(bytes: Uint8Array): Uint8Array[] {
  const elements: Uint8Array[] = [];
  visitElements(bytes, (start, end) => void elements.push(bytes.subarray(start, end)));
  return elements;
}

/**
 * The elements of an encoding as text.
 *
 * @throws {ConnectError} `invalid_argument` where the encoding ends within an element and where an element is no UTF-8
 */
export function decodeStrings(bytes: Uint8Array): string[] {
  // Exact: without ignoreBOM a leading byte order mark is dropped.
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const strings: string[] = [];
  visitElements(bytes, (start, end) => {
    try {
      // Browsers refuse to decode shared memory; slice() would copy into unshared memory only there.
      strings.push(decoder.decode(unshared(bytes, start, end)));
    } catch (cause) {
      throw invalidArgument(
        `Cannot decode BYTES as strings: element ${strings.length} must be UTF-8, got other bytes; elements() gives them as they are`,
        cause,
      );
    }
  });
  return strings;
}

function unshared(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  if (bytes.buffer instanceof ArrayBuffer) return (bytes as Uint8Array<ArrayBuffer>).subarray(start, end);
  return new Uint8Array(bytes.subarray(start, end));
}
