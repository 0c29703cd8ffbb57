import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { capabilityDenied } from "../waybill/capability.ts";
import { REFERENCE_BYTES } from "../waybill/capability-format.ts";
import { WAYBILL_PREFIX, waybillFromString } from "../waybill/encoding.ts";
import { parseRange } from "./http-range.ts";
import type { TensorStore } from "./store.ts";
import type { StoredTensor, TensorProof } from "./store-types.ts";

/** Up to this a body is handed over whole, above it piece by piece as the reader takes it. */
const WHOLE_BYTES = 4 * 1_048_576;
const PIECE_BYTES = 1_048_576;

/** Response headers that browsers show to pages of other origins. */
export const EXPOSED_HEADERS: readonly string[] = [
  "accept-ranges",
  "content-length",
  "content-range",
  "etag",
  "waybill-dtype",
  "waybill-expires-at-ms",
  "waybill-shape",
];

/**
 * The proof that a request gives: the reference in its path and the capability as its bearer token, or both in its path, as the
 * waybill's string.
 *
 * @throws {ConnectError} `permission_denied`, as for a wrong one
 */
export function proofOf(token: string, authorization: string | undefined): TensorProof {
  if (token.startsWith(WAYBILL_PREFIX)) return proofIn(token);
  const bytes = decode(token);
  const capability = decode(/^Bearer +([\w-]+)$/i.exec(authorization ?? "")?.[1] ?? "");
  if (bytes.length !== REFERENCE_BYTES || capability.length === 0) throw capabilityDenied();
  return { reference: bytes, capability };
}

function proofIn(waybill: string): TensorProof {
  try {
    return waybillFromString(waybill);
  } catch {
    throw capabilityDenied();
  }
}

/** What a request says of the part that it wants: `range`, and the conditions of RFC 9110 §13. */
export interface Wanted {
  /** Whether only the headers are: of `HEAD`, which has no range. */
  readonly bodyless: boolean;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

/**
 * Answers `GET /v1/tensors/:reference`, and `HEAD`. A tensor does not change, so that its
 * reference is its entity tag.
 *
 * @throws {ConnectError} `permission_denied`
 */
export async function getTensor(store: TensorStore, proof: TensorProof, wants: Wanted): Promise<Response> {
  const stored = await store.get(proof);
  const etag = etagOf(proof);
  if (wants.ifMatch !== undefined && !matches(wants.ifMatch, etag)) return preconditionFailed(etag);
  if (wants.ifNoneMatch !== undefined && matches(wants.ifNoneMatch, etag)) {
    return new Response(null, { status: 304, headers: { etag, "cache-control": "no-store" } });
  }
  // A part of something else is no use to who has the rest of this.
  const range = wants.ifRange === undefined || wants.ifRange.trim() === etag ? wants.range : undefined;
  const { byteLength: size } = stored;
  const headers = headersOf(stored, etag);
  const wanted = parseRange(range, size);
  if (wanted === "all") return new Response(wants.bodyless ? null : bodyOf(store, stored, 0, size), { headers });
  if (wanted === "unsatisfiable") return unsatisfiable(range, size);
  const { offset, length } = wanted;
  headers["content-length"] = String(length);
  headers["content-range"] = `bytes ${offset}-${offset + length - 1}/${size}`;
  return new Response(bodyOf(store, stored, offset, length), { status: 206, headers });
}

/**
 * What `getTensor` answers to who wants all of a tensor and makes no conditions, without a `Response`, which costs as much as all else.
 *
 * @returns `undefined` for one that is too large to hand over whole
 * @throws {ConnectError} `permission_denied`
 */
export async function getWhole(
  store: TensorStore,
  proof: TensorProof,
): Promise<{ readonly headers: Record<string, string>; readonly bytes: Uint8Array } | undefined> {
  const stored = await store.get(proof);
  const { byteLength } = stored;
  if (byteLength > WHOLE_BYTES) return undefined;
  const bytes = stored.slice(0, byteLength);
  if (bytes === undefined) throw capabilityDenied();
  store.served("http", byteLength);
  return { headers: headersOf(stored, etagOf(proof)), bytes };
}

function etagOf({ reference }: TensorProof): string {
  return `"${base64Encode(reference, "url")}"`;
}

function headersOf({ dtype, shape, byteLength, expiresAtMs }: StoredTensor, etag: string): Record<string, string> {
  return {
    "accept-ranges": "bytes",
    "cache-control": "no-store",
    "content-length": String(byteLength),
    "content-type": "application/octet-stream",
    "etag": etag,
    // The URL may hold the proof.
    "referrer-policy": "no-referrer",
    "waybill-dtype": dtype,
    "waybill-expires-at-ms": String(expiresAtMs),
    "waybill-shape": shape.join(","),
    "x-content-type-options": "nosniff",
  };
}

/** Whether a list of entity tags, weak ones too, has this one. */
function matches(header: string, etag: string): boolean {
  return header.trim() === "*" || header.split(",").some((one) => one.trim().replace(/^W\//, "") === etag);
}

function preconditionFailed(etag: string): Response {
  const message = "Cannot read a tensor: If-Match must have its entity tag, got others";
  const headers = { etag, "cache-control": "no-store" };
  return Response.json({ code: "failed_precondition", message }, { status: 412, headers });
}

function unsatisfiable(range: string | undefined, size: number): Response {
  const message = `Cannot read a part: Range must be one range within ${size} bytes, got ${
    JSON.stringify(range?.slice(0, 80))
  }`;
  return Response.json({ code: "out_of_range", message }, {
    status: 416,
    headers: { "content-range": `bytes */${size}`, "cache-control": "no-store" },
  });
}

function bodyOf(store: TensorStore, { slice }: StoredTensor, offset: number, length: number): BodyInit {
  const counted = (at: number, bytes: number) => {
    const piece = slice(at, bytes);
    store.served("http", piece?.length ?? 0);
    return piece;
  };
  if (length > WHOLE_BYTES) return pieces(counted, offset, offset + length);
  const whole = counted(offset, length);
  if (whole === undefined) throw capabilityDenied();
  return whole as Uint8Array<ArrayBuffer>;
}

/** Apart from the tensor: while a slow reader keeps this waiting, its lease alone keeps the tensor. */
function pieces(slice: StoredTensor["slice"], start: number, end: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = start;
  return new ReadableStream({
    pull(controller) {
      const piece = slice(at, Math.min(PIECE_BYTES, end - at));
      // A short body, never a wrong one.
      if (piece === undefined) return controller.error(new Error("The lease ended while the tensor was read"));
      at += piece.length;
      controller.enqueue(piece as Uint8Array<ArrayBuffer>);
      if (at === end) controller.close();
    },
  }, { highWaterMark: 0 });
}

function decode(text: string): Uint8Array {
  try {
    return base64Decode(text);
  } catch {
    return new Uint8Array(0);
  }
}
