import type { Logger } from "../../bus/logger.ts";
import type { MemoryBlock } from "../../data/memory.ts";
import type { GpuBlock, GpuMemory } from "../gpu-memory.ts";
import type { UcxMemory } from "./memory.ts";
import type { UcxWire } from "./wire.ts";

/** A place in memory that is registered with UCX. */
export interface UcxPlace {
  readonly memory: UcxMemory;
  readonly offset: number;
}

/** The transport that copies between a GPU and the wire: without it UCX takes a GPU's memory and cannot read it. */
const GPU_TRANSPORT = "cuda_copy";

/** Registers the memory of GPUs with UCX, where that can read it. Where it cannot, tensors there go over HTTP and the bus. */
export class DeviceMemories {
  readonly #memories = new Map<number, UcxMemory>();

  /** Registers what is taken of each GPU, and offers it. */
  async addAll(wire: UcxWire, gpus: GpuMemory, logger: Logger): Promise<void> {
    const { transports } = await wire.describe();
    if (!transports.includes(GPU_TRANSPORT)) {
      logger.info("Tensors on GPUs do not go over UCX", { reason: `it has no ${GPU_TRANSPORT}` });
      return;
    }
    for (const { device, address, byteLength } of gpus.arenas) {
      try {
        this.#memories.set(device, await wire.addDeviceMemory(address, byteLength, device));
        gpus.offerOverUcx(device);
      } catch (error) {
        logger.warn("Cannot send from a GPU over UCX", { device, error: String(error) });
      }
    }
  }

  /** Where a block is; `undefined` for one that is on no GPU, or on one that UCX cannot read. */
  placeOf(block: MemoryBlock): UcxPlace | undefined {
    const memory = block.memory === "gpu" ? this.#memories.get(block.device) : undefined;
    return memory && { memory, offset: (block as GpuBlock).offset };
  }
}
