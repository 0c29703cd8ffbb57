import { openCuda } from "../native/mod.ts";
import { GpuMemory } from "./gpu-memory.ts";
import type { NativeMemory } from "./native-memory.ts";
import type { NativePart, NodeArena, NodeFacts } from "./service/describe.ts";

/** A node's GPUs, as far as there are any. */
export interface NodeGpus {
  /** What their tensors are made in; `undefined` where none may be. */
  readonly memory: GpuMemory | undefined;
  readonly found: NativePart;
  readonly gpus: NodeFacts["gpus"];
  /** What is taken of each GPU. */
  arenas(): NodeArena[];
}

/**
 * Looks for GPUs, and takes memory of each.
 *
 * @param bytes of each GPU; 0 takes none
 * @throws {ConnectError} `resource_exhausted` where a GPU has not that much
 */
export function openNodeGpus({ addon }: Pick<NativeMemory, "addon">, bytes: number): NodeGpus {
  const none = (detail: string): NodeGpus => {
    return { memory: undefined, found: { name: "cuda", available: false, version: "", detail }, gpus: [], arenas: () => [] };
  };
  if (addon === undefined) return none("it needs the addon");
  const cuda = openCuda(addon);
  if (cuda.driver === undefined) return none(cuda.unavailable);
  const gpus = cuda.devices.map(({ name, totalBytes }, device) => ({ device, name, memoryBytes: totalBytes }));
  const detail = bytes === 0 ? "tensors are not kept on GPUs: gpuBytes is 0" : `${bytes} bytes of each GPU are for tensors`;
  const found = { name: "cuda", available: true, version: cuda.version, detail };
  if (bytes === 0) return { memory: undefined, found, gpus, arenas: () => [] };
  const memory = new GpuMemory({ addon, driver: cuda.driver, devices: cuda.devices, bytesPerDevice: bytes });
  try {
    memory.openAll();
  } catch (error) {
    memory[Symbol.dispose]();
    throw error;
  }
  return { memory, found, gpus, arenas: () => memory.arenas.map((arena) => described(arena)) };
}

function described({ device, byteLength, usedBytes }: GpuMemory["arenas"][number]): NodeArena {
  return { memory: "gpu", device, backing: "cuda", segments: 0, capacityBytes: byteLength, usedBytes };
}
