import type { SharedMemoryWay, UcxWay } from "../waybill/way.ts";
import type { Waybill } from "../waybill/descriptor.ts";
import type { LentBytes } from "./lent.ts";
import type { TensorProof } from "./store-types.ts";
import type { ReadRequest, WayHandler, WayKind } from "./way-handler.ts";

/** A node on this host whose memory is shared with this process, for as long as a session with it lasts. */
export interface MemoryNode {
  /** The node's name. */
  readonly node: string;
  /** Who answers the same shares memory with the node. */
  readonly host: string;
  /** Why nothing can be mapped here; `undefined` where it can. */
  readonly unmappable: string | undefined;
  /** A tensor of the node, where it is; whole. */
  read(proof: TensorProof, way: SharedMemoryWay): Promise<LentBytes>;
  /** Another node's tensor, which the node fetches into its own memory by the ways that are given; whole. */
  pull(waybill: Waybill, via: readonly WayKind[], signal: AbortSignal | undefined): Promise<LentBytes>;
}

/** Reads tensors of the process's own node in the memory where they are. */
export function shmHandler(current: () => MemoryNode | undefined): WayHandler<SharedMemoryWay> {
  return {
    kind: "shm",
    refusal(way, waybill) {
      const here = current();
      if (here === undefined) return "no session with a sidecar";
      if (here.host !== way.host) return "another host";
      // A mapping shows a whole segment: a node grants it to its own workers.
      return here.node === waybill.node ? here.unmappable : "another node's memory";
    },
    async read(request) {
      return part(request, await currentOf(current).read(request.waybill, request.way));
    },
  };
}

/** Has the process's own node fetch tensors of other nodes. */
export function pulledHandler(current: () => MemoryNode | undefined): WayHandler<UcxWay> {
  return {
    kind: "ucx",
    refusal(_, waybill) {
      const here = current();
      if (here === undefined) return "no session with a sidecar";
      return here.node === waybill.node ? "its own node's" : here.unmappable;
    },
    async read(request) {
      return part(request, await currentOf(current).pull(request.waybill, ["ucx"], request.signal));
    },
  };
}

function currentOf(current: () => MemoryNode | undefined): MemoryNode {
  const here = current();
  if (here === undefined) throw new Error("The session has ended");
  return here;
}

function part({ offset, length }: ReadRequest, lent: LentBytes): LentBytes {
  return lent.bytes.length === length ? lent : { ...lent, bytes: lent.bytes.subarray(offset, offset + length) };
}
