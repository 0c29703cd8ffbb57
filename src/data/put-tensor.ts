import { Code, ConnectError } from "@connectrpc/connect";
import type { PutResponse } from "../../gen/waybill/v1/node_pb.ts";
import { fault } from "../rpc/error.ts";
import { shapeToWire } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Waybill, waybillFromMessage } from "../waybill/descriptor.ts";
import { waybillFromString } from "../waybill/encoding.ts";
import { wayFromWire } from "../waybill/way.ts";
import { errorFromHttp } from "./http-error.ts";
import { readText } from "./stream.ts";
import type { NodeClients } from "./node-clients.ts";

/** Pieces on their way at once. */
const WINDOW = 4;
/** However much the broker takes: all pieces on their way together are at most 3 MiB, here, there and in between. */
const MAX_PIECE_BYTES = 786_432;
/** Room for a frame's headers and a piece's other fields beside its bytes. */
const PIECE_ROOM_BYTES = 2_048;
/** Shapes are of any length; each dimension takes at most 10 bytes. */
const DIMENSION_BYTES = 10;

/** How to upload. */
export interface UploadOptions {
  /** How long the lease lasts from its start and from each use. Default: the node's. */
  leaseMs?: number;
  /** Whether the lease ends once a request that has the tensor as an input was acknowledged. Default `false`. */
  once?: boolean;
  /** Gives up when aborted; the node frees what has arrived. */
  signal?: AbortSignal;
}

/**
 * Puts a tensor into a node's store by its service, in pieces that fit a message.
 *
 * @throws {ConnectError} `resource_exhausted` when the node has no space, `unavailable` when it does not answer
 */
export async function putInPieces(
  nodes: NodeClients,
  node: string,
  tensor: Tensor,
  { leaseMs, once, signal }: UploadOptions,
): Promise<Waybill> {
  const client = nodes.of(node);
  const { bytes } = tensor;
  const room = PIECE_ROOM_BYTES + DIMENSION_BYTES * tensor.shape.length;
  const pieceBytes = Math.min(MAX_PIECE_BYTES, nodes.maxMessageBytes - room);
  if (pieceBytes < 1) {
    throw fault(
      `Cannot put ${tensor}: a piece needs ${room} bytes beside its data, and a message takes at most ` +
        `${nodes.maxMessageBytes}`,
      Code.ResourceExhausted,
      { reason: "MESSAGE_TOO_LARGE" },
    );
  }
  const first = await client.put({
    dtype: tensor.dtype,
    shape: shapeToWire(tensor.shape),
    byteSize: BigInt(bytes.length),
    leaseMs: leaseMs ?? 0,
    once: once ?? false,
    data: bytes.subarray(0, pieceBytes),
  }, { signal });
  let last: PutResponse = first;
  let next = Math.min(pieceBytes, bytes.length);
  // The first that fails ends all: the others would go on sending to an upload that is lost.
  const ended = new AbortController();
  const both = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]);
  const send = async () => {
    while (next < bytes.length) {
      const offset = next;
      next += pieceBytes;
      const data = bytes.subarray(offset, offset + pieceBytes);
      const answer = await client.put({ uploadId: first.uploadId, offset: BigInt(offset), data }, { signal: both });
      if (answer.descriptor !== undefined) last = answer;
    }
  };
  try {
    await Promise.all(Array.from({ length: WINDOW }, send));
  } catch (error) {
    ended.abort(error);
    throw error;
  }
  if (last.descriptor === undefined) {
    throw new ConnectError(`Cannot put ${tensor}: node "${node}" has ${last.received} bytes and no descriptor`, Code.DataLoss);
  }
  return waybillFromMessage(last.descriptor);
}

/**
 * Puts a tensor into a node's store: over HTTP with a token, where the node offers that and can be reached so, else by its service.
 *
 * @throws {ConnectError} as the two ways
 */
export async function putOnNode(
  nodes: NodeClients,
  fetch: typeof globalThis.fetch,
  target: { readonly node: string; readonly token?: string },
  tensor: Tensor,
  options: UploadOptions,
): Promise<Waybill> {
  const { node, token } = target;
  if (token !== undefined) {
    const { ways } = await nodes.of(node).describe({}, { signal: options.signal });
    const way = ways.map((wire) => wayFromWire("Cannot put a tensor", wire)).find((way) => way?.kind === "http");
    if (way?.kind === "http") {
      try {
        return await putOverHttp(fetch, { url: way.url, token }, tensor, options);
      } catch (error) {
        // Not reachable from here: `fetch` throws a TypeError.
        if (error instanceof ConnectError || options.signal?.aborted) throw error;
      }
    }
  }
  return await putInPieces(nodes, node, tensor, options);
}

/** Where a node takes uploads over HTTP. */
export interface HttpTarget {
  /** The collection: `http://host:port/v1/tensors`. */
  readonly url: string;
  /** What the node accepts uploads with: a bearer secret. */
  readonly token: string;
}

/**
 * Puts a tensor into a node's store over HTTP.
 *
 * @throws {ConnectError} with the code that the node answered
 */
export async function putOverHttp(
  fetch: typeof globalThis.fetch,
  target: HttpTarget,
  tensor: Tensor,
  { leaseMs, once, signal }: UploadOptions,
): Promise<Waybill> {
  const url = new URL(target.url);
  url.searchParams.set("dtype", tensor.dtype);
  url.searchParams.set("shape", tensor.shape.join(","));
  if (leaseMs !== undefined) url.searchParams.set("lease_ms", String(leaseMs));
  if (once === true) url.searchParams.set("once", "true");
  const response = await fetch(url, {
    method: "PUT",
    headers: {
      authorization: `Bearer ${target.token}`,
      accept: "text/plain",
      "content-type": "application/octet-stream",
    },
    body: tensor.bytes as Uint8Array<ArrayBuffer>,
    redirect: "manual",
    credentials: "omit",
    signal,
  });
  const text = await readText(response.body, 32_768);
  if (response.status === 201) return waybillFromString(text);
  throw errorFromHttp(`put ${tensor}`, response.status, text);
}
