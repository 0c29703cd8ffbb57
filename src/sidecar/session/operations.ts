import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { NodeService, ShareRequest } from "../../../gen/waybill/v1/node_pb.ts";
import type {
  Operation,
  OperationErrorSchema,
  OperationResultSchema,
  PutInSegment,
} from "../../../gen/waybill/v1/session_pb.ts";
import { proofOf } from "../../data/node-service.ts";
import type { TensorStore } from "../../data/store.ts";
import { errorDetail, fault } from "../../rpc/error.ts";
import { isDType } from "../../tensor/dtype.ts";
import { invalidArgument, show } from "../../tensor/errors.ts";
import { shapeFromWire } from "../../tensor/shape.ts";
import { waybillToMessage } from "../../waybill/descriptor.ts";
import { referenceKey } from "../../waybill/lease.ts";
import { rightsFromBits } from "../../waybill/rights.ts";
import type { NodeSegments } from "../segments.ts";
import { pinToWire } from "./pinned.ts";
import type { Pulls } from "./pulls.ts";
import { type Session, toWire } from "./session.ts";

/** Where a worker's operations run. */
export interface OperationsHost {
  readonly store: TensorStore;
  /** What runs operations that are not of sessions alone. */
  readonly service: Partial<ServiceImpl<typeof NodeService>>;
  readonly segments: NodeSegments | undefined;
  readonly pulls: Pulls;
  readonly session: Session;
  readonly context: HandlerContext;
}

type Result = MessageInitShape<typeof OperationResultSchema>["kind"];

/** Runs a batch. Operations on the same lease run one after the other, all others at once. */
export async function runOperations(
  host: OperationsHost,
  operations: readonly Operation[],
): Promise<MessageInitShape<typeof OperationResultSchema>[]> {
  const last = new Map<string, Promise<unknown>>();
  return await Promise.all(operations.map(async (operation) => {
    const keys = referencesOf(operation).map(referenceKey);
    const before = keys.map((key) => last.get(key)).filter((one) => one !== undefined);
    const running = before.length === 0 ? attempt(host, operation) : Promise.all(before).then(() => attempt(host, operation));
    for (const key of keys) last.set(key, running);
    return { kind: await running };
  }));
}

/** An error as the answer to one operation. */
export function errorToWire(error: unknown): MessageInitShape<typeof OperationErrorSchema> {
  const { code, rawMessage } = ConnectError.from(error, Code.Internal);
  const message = error instanceof ConnectError ? rawMessage : "Cannot run an operation: the node failed";
  return { code, message, detail: errorDetail(error) };
}

function referencesOf({ kind: { case: what, value } }: Operation): Uint8Array[] {
  if (what === "touch" || what === "release") return value.tensors.map(({ reference }) => reference);
  return (what === "share" || what === "pin") && value.tensor !== undefined ? [value.tensor.reference] : [];
}

async function attempt(host: OperationsHost, operation: Operation): Promise<Result> {
  try {
    return await run(host, operation);
  } catch (error) {
    return { case: "error", value: errorToWire(error) };
  }
}

async function run(host: OperationsHost, { kind }: Operation): Promise<Result> {
  const { store, service, session, context } = host;
  switch (kind.case) {
    case "put":
      return { case: "descriptor", value: await putInSegment(host, kind.value) };
    case "share":
      return { case: "descriptor", value: await share(host, kind.value) };
    case "touch":
      return { case: "touched", value: await service.touch!(kind.value, context) };
    case "release":
      return { case: "released", value: await service.release!(kind.value, context) };
    case "pin": {
      const pin = await store.pin(proofOf(kind.value.tensor));
      const value = pinToWire(session, pin);
      if (pin.location !== undefined) store.served("shm", pin.held.byteLength);
      return { case: "pinned", value };
    }
    case "unpin":
      for (const pin of kind.value.pins) session.unpin(pin);
      return { case: "unpinned", value: {} };
    case "pull":
      return { case: "pulled", value: await host.pulls.pull(kind.value, session, context.signal) };
    case "addSegment":
      return { case: "segment", value: addSegment(host, Number(kind.value.byteSize)) };
    default:
      throw new ConnectError("Cannot run an operation: it must be of a known kind, got another", Code.Unimplemented);
  }
}

async function share({ store, session }: OperationsHost, { tensor, leaseMs }: ShareRequest) {
  return waybillToMessage(await store.share(proofOf(tensor), { leaseMs: leaseMs || undefined, holder: session.name }));
}

async function putInSegment({ store, session }: OperationsHost, request: PutInSegment) {
  const { block: place, dtype, byteSize, leaseMs, once, rights } = request;
  const segment = place === undefined ? undefined : session.segment(place.segment);
  if (place === undefined || segment === undefined) {
    throw invalidArgument("Cannot put a tensor: the segment must be one of the worker's own, got another");
  }
  if (!isDType(dtype)) throw invalidArgument(`Cannot put a tensor: dtype must be KServe's, got ${show(dtype)}`);
  const shape = shapeFromWire(request.shape, "Cannot put a tensor");
  const block = segment.block(Number(place.offset), Number(byteSize), place.generation);
  const waybill = await store.adopt({ dtype, shape, block }, {
    leaseMs: leaseMs || undefined,
    once,
    rights: rights === 0 ? undefined : rightsFromBits(rights),
    holder: session.name,
  });
  block.keep();
  return waybillToMessage(waybill);
}

function addSegment({ segments, session }: OperationsHost, byteLength: number) {
  const segment = session.ended ? undefined : segments?.create(byteLength);
  if (segment === undefined) {
    const text = `Cannot add a segment of ${byteLength} bytes: the node has no room for it within its budget`;
    throw fault(text, Code.ResourceExhausted, { reason: "STORE_FULL" });
  }
  session.own(segment);
  return toWire(segment);
}
