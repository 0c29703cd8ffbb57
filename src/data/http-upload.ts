import { Code, ConnectError } from "@connectrpc/connect";
import { DTYPE_BYTES, isDType } from "../tensor/dtype.ts";
import { invalidArgument, show } from "../tensor/errors.ts";
import { elementCount } from "../tensor/shape.ts";
import type { Waybill } from "../waybill/descriptor.ts";
import type { TensorStore } from "./store.ts";
import type { UploadInit } from "./uploads.ts";

const ACTION = "Cannot upload";

/**
 * Reads what `PUT /v1/tensors` says about its body: `dtype`, `shape`, `lease_ms`, `once` and `byte_size` in the query, or the first two in
 * the headers `waybill-dtype` and `waybill-shape`. The size of BYTES is that of the body where the query does not name it.
 *
 * @throws {ConnectError} `invalid_argument`
 */
export function uploadInit(request: Request): UploadInit {
  const { searchParams } = new URL(request.url);
  const field = (name: string) => searchParams.get(name) ?? request.headers.get(`waybill-${name}`) ?? undefined;
  const dtype = field("dtype") ?? "";
  const shape = parseShape(field("shape"));
  const announced = request.headers.get("content-length");
  const sizeText = searchParams.get("byte_size") ?? (dtype === "BYTES" ? announced : null);
  let byteSize: number;
  if (sizeText !== null) byteSize = parseCount("byte_size", sizeText);
  else if (isDType(dtype) && dtype !== "BYTES") byteSize = elementCount(shape, ACTION) * DTYPE_BYTES[dtype];
  else if (dtype !== "BYTES") byteSize = 0;
  else throw invalidArgument(`${ACTION}: BYTES need a content-length or byte_size, got neither`);
  if (announced !== null && Number(announced) !== byteSize) {
    throw invalidArgument(`${ACTION}: content-length must be ${byteSize}, got ${show(announced)}`);
  }
  const leaseMs = searchParams.get("lease_ms");
  const once = searchParams.get("once") === "true";
  return { dtype, shape, byteSize, leaseMs: leaseMs === null ? undefined : parseCount("lease_ms", leaseMs), once };
}

/**
 * Reads a request's body into the store, each byte once.
 *
 * @throws {ConnectError} `invalid_argument` for a body of another size, and what the store throws
 */
export async function receiveTensor(store: TensorStore, request: Request): Promise<Waybill> {
  const init = uploadInit(request);
  // Without request.signal, of whose use Deno warns on the console; there is at most putWaitMs to wait.
  const upload = await store.uploads.begin(init);
  const reader = request.body?.getReader();
  let ended: ConnectError | undefined;
  upload.onEnd = (error) => {
    ended = error;
    void reader?.cancel().catch(() => {});
  };
  let waybill: Waybill | undefined;
  try {
    if (init.byteSize === 0) waybill = await upload.write(0, new Uint8Array(0));
    for (let at = 0; reader !== undefined;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (at + value.length > init.byteSize) throw wrongSize(init.byteSize, `${at + value.length} or more`);
      waybill = (await upload.write(at, value)) ?? waybill;
      at += value.length;
    }
    if (ended !== undefined) throw ended;
    if (waybill === undefined) throw wrongSize(init.byteSize, String(upload.received));
    return waybill;
  } catch (error) {
    upload.abort(ConnectError.from(error, Code.Aborted));
    // It was whole, and then came more.
    if (waybill !== undefined) await store.release(waybill);
    throw error;
  }
}

function wrongSize(wanted: number, seen: string): ConnectError {
  return invalidArgument(`${ACTION}: the body must have ${wanted} bytes, got ${seen}`);
}

function parseShape(text: string | undefined): number[] {
  if (text === undefined) throw invalidArgument(`${ACTION}: shape must be given, as in shape=1,3 (empty for a scalar)`);
  if (text === "") return [];
  return text.split(",").map((dim) => parseCount("each dimension of shape", dim));
}

function parseCount(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalidArgument(`${ACTION}: ${name} must be an integer from 0, got ${show(text)}`);
}
