import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { PutStreamRequest, PutStreamResponseSchema, PutStreamStart } from "../../gen/waybill/v1/node_pb.ts";
import { unlessAborted } from "../rpc/deadline.ts";
import { shapeFromWire } from "../tensor/shape.ts";
import { invalidArgument } from "../tensor/errors.ts";
import { type Waybill, waybillToMessage } from "../waybill/descriptor.ts";
import type { TensorStore } from "./store.ts";

const ACTION = "Cannot upload";

/**
 * Reads a tensor that comes as one stream, each byte once.
 *
 * @throws {ConnectError} `invalid_argument` for a stream that does not begin with what the tensor is, or has another size, and what
 * the store throws
 */
export async function putStream(
  store: TensorStore,
  messages: AsyncIterable<PutStreamRequest>,
  context: Pick<HandlerContext, "signal">,
): Promise<MessageInitShape<typeof PutStreamResponseSchema>> {
  const pieces = messages[Symbol.asyncIterator]();
  const start = startOf(await pieces.next());
  const { dtype, shape, byteSize, leaseMs, once } = start;
  const init = { dtype, shape: shapeFromWire(shape, ACTION), byteSize: Number(byteSize), leaseMs: leaseMs || undefined, once };
  const upload = await store.uploads.begin(init, { signal: context.signal });
  const ended = new AbortController();
  upload.onEnd = (error) => ended.abort(error);
  let waybill: Waybill | undefined;
  try {
    if (init.byteSize === 0) waybill = await upload.write(0, new Uint8Array(0));
    for (let at = 0;;) {
      const next = await unlessAborted(pieces.next(), ended.signal);
      if (next.done === true) break;
      const data = dataOf(next.value);
      if (at + data.length > init.byteSize) throw wrongSize(init.byteSize, `${at + data.length} or more`);
      if (data.length > 0) waybill = (await upload.write(at, data)) ?? waybill;
      at += data.length;
    }
    if (waybill === undefined) throw wrongSize(init.byteSize, String(upload.received));
    return { descriptor: waybillToMessage(waybill) };
  } catch (error) {
    upload.abort(ConnectError.from(error, Code.Aborted));
    // It was whole, and then came more.
    if (waybill !== undefined) await store.release(waybill);
    throw error;
  }
}

function startOf({ value }: IteratorResult<PutStreamRequest, unknown>): PutStreamStart {
  const part = (value as PutStreamRequest | undefined)?.part;
  if (part?.case === "start") return part.value;
  throw invalidArgument(`${ACTION}: the first message must say what the tensor is, got ${part?.case ?? "nothing"}`);
}

function dataOf({ part }: PutStreamRequest): Uint8Array {
  if (part.case === "data") return part.value;
  throw invalidArgument(`${ACTION}: each message but the first must hold bytes, got ${part.case ?? "nothing"}`);
}

function wrongSize(wanted: number, seen: string): ConnectError {
  return invalidArgument(`${ACTION}: the stream must have ${wanted} bytes, got ${seen}`);
}
