/**
 * A store's face over Connect: on the bus, or wherever else Connect goes.
 *
 * @module
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createServiceImplSpec,
  type HandlerContext,
  type ServiceImpl,
  type ServiceImplSpec,
} from "@connectrpc/connect";
import {
  type GetRequest,
  type GetResponseSchema,
  NodeService,
  type PutRequest,
  type PutResponseSchema,
  type TensorReference,
} from "../../gen/waybill/v1/node_pb.ts";
import { shapeFromWire } from "../tensor/shape.ts";
import { capabilityDenied } from "../waybill/capability.ts";
import { waybillToMessage } from "../waybill/descriptor.ts";
import { wayToWire } from "../waybill/way.ts";
import { putStream } from "./put-stream.ts";
import { runtimeName } from "./runtime-name.ts";
import type { TensorStore } from "./store.ts";
import type { TensorProof } from "./store-types.ts";
import type { Upload } from "./uploads.ts";

/** Room for a frame's headers and protobuf's tags beside a chunk. */
const CHUNK_ROOM_BYTES = 2_048;
const DEFAULT_CHUNK_BYTES = 262_144;
/** Leases that one message may name. */
const MAX_TENSORS = 16_384;

/** How to serve a store. */
export interface NodeServiceOptions {
  /** Largest message that the transport carries, in bytes; of a bus its `maxPayloadBytes`. Default 1,048,576. */
  maxMessageBytes?: number;
  /** The way that carries it, for the bytes that the store counts. Default `"bus"`. */
  way?: "bus" | "http";
}

/** A store as the implementation of `waybill.v1.NodeService`, for `serve` and for Connect routers. */
export function nodeServiceSpec(store: TensorStore, options: NodeServiceOptions = {}): ServiceImplSpec {
  return createServiceImplSpec<typeof NodeService>(NodeService, nodeService(store, options));
}

/** A store as an implementation of `waybill.v1.NodeService`, for the routes of a Connect router. */
export function nodeService(store: TensorStore, options: NodeServiceOptions = {}): Partial<ServiceImpl<typeof NodeService>> {
  const maxChunkBytes = Math.max(1, (options.maxMessageBytes ?? 1_048_576) - CHUNK_ROOM_BYTES);
  return {
    put: (request, context) => put(store, request, context),
    putStream: (messages, context) => putStream(store, messages, context),
    get: (request) => get(store, request, { maxChunkBytes, way: options.way ?? "bus" }),
    async share(request) {
      const waybill = await store.share(proofOf(request.tensor), { leaseMs: request.leaseMs || undefined, once: request.once });
      return { descriptor: waybillToMessage(waybill) };
    },
    async touch(request) {
      checkCount(request.tensors);
      let earliest = Infinity;
      for (const tensor of request.tensors) {
        earliest = Math.min(earliest, await store.touch(proofOf(tensor), request.leaseMs || undefined));
      }
      return { expiresAtMs: earliest === Infinity ? 0n : BigInt(Math.floor(earliest)) };
    },
    async release(request) {
      checkCount(request.tensors);
      // A bad one must not keep the others.
      const results = await Promise.allSettled(
        request.tensors.map((tensor) => store.release(proofOf(tensor), { consumed: request.consumed })),
      );
      for (const result of results) if (result.status === "rejected") throw result.reason;
      return {};
    },
    describe() {
      const { node, budgetBytes, usedBytes, leases, ways } = store.describe();
      return {
        node,
        runtime: runtimeName(),
        budgetBytes: BigInt(budgetBytes),
        usedBytes: BigInt(usedBytes),
        leases,
        ways: ways.map(wayToWire),
      };
    },
  };
}

async function put(
  store: TensorStore,
  request: PutRequest,
  context: HandlerContext,
): Promise<MessageInitShape<typeof PutResponseSchema>> {
  const first = request.uploadId === "";
  const upload = first ? await begin(store, request, context) : store.uploads.find(request.uploadId);
  try {
    const waybill = await upload.write(Number(request.offset), request.data);
    const descriptor = waybill === undefined ? undefined : waybillToMessage(waybill);
    return { uploadId: upload.id, received: BigInt(upload.received), descriptor };
  } catch (error) {
    // Nobody learned its id.
    if (first) upload.abort(ConnectError.from(error));
    throw error;
  }
}

function begin(store: TensorStore, request: PutRequest, context: HandlerContext): Promise<Upload> {
  const init = {
    dtype: request.dtype,
    shape: shapeFromWire(request.shape, "Cannot upload"),
    byteSize: Number(request.byteSize),
    leaseMs: request.leaseMs || undefined,
    once: request.once,
  };
  return store.uploads.begin(init, { signal: context.signal });
}

async function* get(
  store: TensorStore,
  request: GetRequest,
  { maxChunkBytes, way }: { maxChunkBytes: number; way: "bus" | "http" },
): AsyncGenerator<MessageInitShape<typeof GetResponseSchema>> {
  const { slice, size } = await read(store, request);
  const start = Number(request.offset);
  const end = request.length === 0n ? size : start + Number(request.length);
  if (start > size || end > size) {
    throw new ConnectError(
      `Cannot read a tensor: the range must lie within its ${size} bytes, got ${start} to ${end}`,
      Code.OutOfRange,
    );
  }
  const chunkBytes = Math.min(request.chunkBytes || DEFAULT_CHUNK_BYTES, maxChunkBytes);
  for (let at = start; at < end; at += chunkBytes) {
    // From the store each time: while a slow reader keeps this waiting, its lease alone keeps the tensor.
    const data = slice(at, Math.min(chunkBytes, end - at));
    if (data === undefined) throw capabilityDenied();
    store.served(way, data.length);
    yield { data };
  }
}

/** Without the tensor itself, which the generator's frame would hold. */
async function read(store: TensorStore, request: GetRequest) {
  const { byteLength, slice } = await store.get(proofOf(request.tensor));
  return { slice, size: byteLength };
}

/** The proof in a message; without one it is denied as any bad one is. */
export function proofOf(tensor: TensorReference | undefined): TensorProof {
  if (tensor === undefined) throw capabilityDenied();
  return tensor;
}

function checkCount(tensors: readonly unknown[]): void {
  if (tensors.length <= MAX_TENSORS) return;
  throw new ConnectError(
    `Cannot use leases: a message may name at most ${MAX_TENSORS}, got ${tensors.length}`,
    Code.InvalidArgument,
  );
}
