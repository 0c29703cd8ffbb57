/**
 * The bytes of a capability. They prove a right by a chain of HMAC-SHA-256 (as macaroons do): the owner's key signs the reference,
 * the rights and the hard maximum; each caveat that a holder adds is signed with the tag before it as key, and that tag is
 * dropped. So anyone can drop rights, and nobody can take a caveat away.
 *
 * | offset | bytes | |
 * | --- | --- | --- |
 * | 0 | 1 | version, 1 |
 * | 1 | 1 | rights, one bit each: read 1, share 2, touch 4, release 8 |
 * | 2 | 8 | hard maximum, Unix milliseconds on the owner's clock, big-endian |
 * | 10 | 1 | number of caveats n, at most 8 |
 * | 11 | n | caveats: the rights that remain, one byte each |
 * | 11 + n | 32 | the last tag |
 *
 * `tag0 = HMAC(key, "waybill.v1.capability" ‖ 0 ‖ reference (16) ‖ bytes 0 to 9)`, then `tag(i+1) = HMAC(tag(i), caveat(i))`.
 * The reference itself travels beside the capability, not in it.
 *
 * @module
 */

/** The one version there is. */
export const CAPABILITY_VERSION = 1;

/** Bytes of a reference. */
export const REFERENCE_BYTES = 16;

/** Bytes of a tag. */
export const TAG_BYTES = 32;

/** Caveats that a capability can have. */
export const MAX_CAVEATS = 8;

const HEAD_BYTES = 10;
const CONTEXT = new Uint8Array([...Array.from("waybill.v1.capability", (letter) => letter.charCodeAt(0)), 0]);

/** Bytes of the longest capability. */
export const MAX_CAPABILITY_BYTES: number = HEAD_BYTES + 1 + MAX_CAVEATS + TAG_BYTES;

/** A capability taken apart. Nothing in it is proven until the tag is. */
export interface CapabilityParts {
  /** What the owner allowed. */
  readonly issuedBits: number;
  /** When it ends for good, Unix milliseconds on the owner's clock. */
  readonly notAfterMs: number;
  /** What each holder left of it, in order. */
  readonly caveats: Uint8Array<ArrayBuffer>;
  /** The last tag of the chain. */
  readonly tag: Uint8Array<ArrayBuffer>;
}

/** Takes a capability apart; `undefined` when it is none. Copies what it returns. */
export function parseCapability(bytes: Uint8Array): CapabilityParts | undefined {
  if (bytes.length < HEAD_BYTES + 1 + TAG_BYTES || bytes[0] !== CAPABILITY_VERSION) return undefined;
  const count = bytes[HEAD_BYTES]!;
  const tagAt = HEAD_BYTES + 1 + count;
  if (count > MAX_CAVEATS || bytes.length !== tagAt + TAG_BYTES) return undefined;
  const notAfterMs = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(2));
  if (notAfterMs > Number.MAX_SAFE_INTEGER) return undefined;
  return {
    issuedBits: bytes[1]!,
    notAfterMs,
    caveats: new Uint8Array(bytes.subarray(HEAD_BYTES + 1, tagAt)),
    tag: new Uint8Array(bytes.subarray(tagAt)),
  };
}

/** Puts a capability together. */
export function formatCapability({ issuedBits, notAfterMs, caveats, tag }: CapabilityParts): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEAD_BYTES + 1 + caveats.length + TAG_BYTES);
  writeHead(bytes, 0, issuedBits, notAfterMs);
  bytes[HEAD_BYTES] = caveats.length;
  bytes.set(caveats, HEAD_BYTES + 1);
  bytes.set(tag, HEAD_BYTES + 1 + caveats.length);
  return bytes;
}

/** What the owner's key signs. */
export function signedBytes(reference: Uint8Array, issuedBits: number, notAfterMs: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(CONTEXT.length + REFERENCE_BYTES + HEAD_BYTES);
  bytes.set(CONTEXT);
  bytes.set(reference, CONTEXT.length);
  writeHead(bytes, CONTEXT.length + REFERENCE_BYTES, issuedBits, notAfterMs);
  return bytes;
}

/** The rights that caveats leave. */
export function remainingBits({ issuedBits, caveats }: CapabilityParts): number {
  return caveats.reduce((bits, caveat) => bits & caveat, issuedBits);
}

function writeHead(bytes: Uint8Array<ArrayBuffer>, offset: number, issuedBits: number, notAfterMs: number): void {
  bytes[offset] = CAPABILITY_VERSION;
  bytes[offset + 1] = issuedBits;
  new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(offset + 2, BigInt(notAfterMs));
}
