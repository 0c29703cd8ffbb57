import type { MessageInitShape } from "@bufbuild/protobuf";
import type { DescribeResponseSchema } from "../../../gen/waybill/v1/node_pb.ts";
import { runtimeName } from "../../data/runtime-name.ts";
import { isReachable } from "../../data/store-way.ts";
import type { TensorStore } from "../../data/store.ts";
import { type Memory, memoryToWire } from "../../waybill/descriptor.ts";
import { type Way, wayToWire } from "../../waybill/way.ts";
import type { NodeGpus } from "../node-gpus.ts";
import type { NodeSegments } from "../segments.ts";
import type { Sessions } from "../session/sessions.ts";

/** A native library, and what was found of it. */
export interface NativePart {
  /** `"addon"`, `"ucx"` or `"cuda"`. */
  readonly name: string;
  /** Whether it is used. */
  readonly available: boolean;
  /** Its version; `""` where that is not known. */
  readonly version: string;
  /** Where it lies, or why it is not used. */
  readonly detail: string;
}

/** Memory that tensors are made in. */
export interface NodeArena {
  /** What kind. */
  readonly memory: Memory;
  /** The GPU's ordinal; 0 elsewhere. */
  readonly device: number;
  /** What it is made of: `"dev-shm"`, `"memfd"`, `"heap"` or `"cuda"`. */
  readonly backing: string;
  /** Segments that others can map. */
  readonly segments: number;
  /** Bytes that it has taken from the machine. */
  readonly capacityBytes: number;
  /** Bytes of it that tensors take. */
  readonly usedBytes: number;
}

/** What does not change while a node runs. */
export interface NodeFacts {
  /** Random for each start, as hexadecimal digits: waybills of another start are void. */
  readonly startId: string;
  /** Who has the same shares memory with the node. */
  readonly host: string;
  /** Native parts that were looked for. */
  readonly native: readonly NativePart[];
  /** Transports that UCX found, and the device that each goes over. */
  readonly ucxTransports: readonly { readonly name: string; readonly device: string }[];
  /** GPUs that are used. */
  readonly gpus: readonly { readonly device: number; readonly name: string; readonly memoryBytes: number }[];
  /** What people should know, such as a /dev/shm that is too small. */
  readonly notes: readonly string[];
}

/** What a node is, what it found on the machine, and how full it is. */
export interface NodeDescription extends NodeFacts {
  /** Its name. */
  readonly node: string;
  /** The runtime and its version. */
  readonly runtime: string;
  /** Bytes that there are for tensors. */
  readonly budgetBytes: number;
  /** Bytes of all tensors and unfinished uploads. */
  readonly usedBytes: number;
  /** Leases that live. */
  readonly leases: number;
  /** Ways to reach it, in the order of preference, but for `shm`. */
  readonly ways: readonly Way[];
  /** What tensors are made in. */
  readonly arenas: readonly NodeArena[];
  /** Workers that are attached. */
  readonly sessions: number;
  /** Pins that they hold. */
  readonly pins: number;
  /** Unfinished uploads. */
  readonly uploads: number;
  /** Producers that wait for space. */
  readonly waiting: number;
  /** Leases so far that ended because their time was over. */
  readonly leakedLeases: number;
  /** Bytes so far that only such an end gave free. */
  readonly leakedBytes: number;
}

/** Describes a node as it is now. */
export function describeNode(
  facts: NodeFacts,
  { store, segments, gpus, sessions }: {
    store: TensorStore;
    segments: NodeSegments | undefined;
    gpus: Pick<NodeGpus, "arenas">;
    sessions: Sessions;
  },
): NodeDescription {
  const { node, budgetBytes, usedBytes, leases, uploads, waiting, leakedLeases, leakedBytes, memory } = store.describe();
  const arena = {
    memory: "cpu",
    device: 0,
    backing: segments?.backing ?? "heap",
    segments: segments?.all.length ?? 0,
    capacityBytes: segments?.bytes ?? budgetBytes,
    usedBytes: memory?.usedBytes ?? usedBytes,
  } as const;
  return {
    ...facts,
    node,
    runtime: runtimeName(),
    budgetBytes,
    usedBytes,
    leases,
    ways: store.ways.filter(isReachable),
    arenas: [arena, ...gpus.arenas()],
    sessions: sessions.size,
    pins: sessions.pins,
    uploads,
    waiting,
    leakedLeases,
    leakedBytes,
  };
}

/** A description as `NodeService.Describe` answers it. */
export function descriptionToWire(description: NodeDescription): MessageInitShape<typeof DescribeResponseSchema> {
  const { ways, arenas, gpus, native, ucxTransports, notes, ...rest } = description;
  return {
    ...rest,
    startId: Uint8Array.from(rest.startId.match(/../g) ?? [], (digits) => parseInt(digits, 16)),
    budgetBytes: BigInt(rest.budgetBytes),
    usedBytes: BigInt(rest.usedBytes),
    leakedLeases: BigInt(rest.leakedLeases),
    leakedBytes: BigInt(rest.leakedBytes),
    ways: ways.map(wayToWire),
    native: [...native],
    ucxTransports: [...ucxTransports],
    notes: [...notes],
    gpus: gpus.map(({ memoryBytes, ...gpu }) => ({ ...gpu, memoryBytes: BigInt(memoryBytes) })),
    arenas: arenas.map(({ memory, capacityBytes, usedBytes, ...arena }) => ({
      ...arena,
      memory: memoryToWire(memory),
      capacityBytes: BigInt(capacityBytes),
      usedBytes: BigInt(usedBytes),
    })),
  };
}
