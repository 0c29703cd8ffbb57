import type { MessageInitShape } from "@bufbuild/protobuf";
import type { DescribeResponseSchema } from "../../../gen/waybill/v1/node_pb.ts";
import { runtimeName } from "../../data/runtime-name.ts";
import { isReachable } from "../../data/store-way.ts";
import type { TensorStore } from "../../data/store.ts";
import { MemoryKind } from "../../../gen/waybill/v1/tensor_pb.ts";
import { wayToWire } from "../../waybill/way.ts";
import type { NodeSegments } from "../segments.ts";
import type { Sessions } from "../session/sessions.ts";

/** What a node says of itself. */
export type NodeDescription = MessageInitShape<typeof DescribeResponseSchema>;

/** What does not change while a node runs. */
export interface NodeFacts {
  readonly startId: Uint8Array;
  readonly host: string;
  readonly native: NonNullable<NodeDescription["native"]>;
  readonly ucxTransports: NonNullable<NodeDescription["ucxTransports"]>;
  readonly gpus: NonNullable<NodeDescription["gpus"]>;
  readonly notes: readonly string[];
}

/** Describes a node as it is now. */
export function describeNode(
  facts: NodeFacts,
  { store, segments, sessions }: { store: TensorStore; segments: NodeSegments | undefined; sessions: Sessions },
): NodeDescription {
  const { node, budgetBytes, usedBytes, leases, uploads, waiting, leakedLeases, leakedBytes, memory } = store.describe();
  const arena = {
    memory: MemoryKind.CPU,
    backing: segments?.backing ?? "heap",
    segments: segments?.all.length ?? 0,
    capacityBytes: BigInt(memory?.capacityBytes ?? budgetBytes),
    usedBytes: BigInt(memory?.usedBytes ?? usedBytes),
  };
  return {
    ...facts,
    notes: [...facts.notes],
    node,
    runtime: runtimeName(),
    budgetBytes: BigInt(budgetBytes),
    usedBytes: BigInt(usedBytes),
    leases,
    ways: store.ways.filter(isReachable).map(wayToWire),
    arenas: [arena],
    sessions: sessions.size,
    pins: sessions.pins,
    uploads,
    waiting,
    leakedLeases: BigInt(leakedLeases),
    leakedBytes: BigInt(leakedBytes),
  };
}
