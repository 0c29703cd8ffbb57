import { Code, ConnectError } from "@connectrpc/connect";
import { type Allocation, Allocator } from "../data/arena/allocator.ts";
import type { AllocateOptions, MemoryBlock, MemoryUsage, TensorMemory } from "../data/memory.ts";
import type { CudaDevice, CudaDriver, DeviceArena, NativeAddon } from "../native/mod.ts";
import { gpuError } from "./gpu-error.ts";

/** One GPU's memory as far as it is a node's. */
export interface GpuArena {
  /** The GPU's ordinal. */
  readonly device: number;
  /** Where it begins, for what takes device pointers. */
  readonly address: number;
  readonly byteLength: number;
  /** Bytes that tensors take. */
  readonly usedBytes: number;
}

/** How to open the memory of GPUs. */
export interface GpuMemoryOptions {
  readonly addon: NativeAddon;
  readonly driver: CudaDriver;
  /** By their ordinals. */
  readonly devices: readonly CudaDevice[];
  /** Bytes to take of each GPU, at once and at its first tensor. */
  readonly bytesPerDevice: number;
}

interface Part extends Omit<GpuArena, "usedBytes"> {
  readonly arena: DeviceArena;
  readonly allocator: Allocator;
}

/** A block of a GPU's memory. */
export interface GpuBlock extends MemoryBlock {
  /** Where it is in the GPU's arena. */
  readonly offset: number;
  /**
   * Copies a part of another GPU's block, or of this one's, without the host in between.
   *
   * @throws {ConnectError} `invalid_argument` for ranges outside of the blocks
   */
  copyFrom(source: GpuBlock, sourceOffset: number, offset: number, byteLength: number): void;
  read(offset: number, length: number): Uint8Array;
  write(offset: number, data: Uint8Array): void;
}

/** Memory for tensors on GPUs: one allocation of each GPU, made when the first tensor goes there. */
export class GpuMemory implements TensorMemory, Disposable {
  readonly #options: GpuMemoryOptions;
  readonly #parts = new Map<number, Part>();
  readonly #partOf = new WeakMap<GpuBlock, Part>();
  readonly #overUcx = new Set<number>();

  constructor(options: GpuMemoryOptions) {
    this.#options = options;
  }

  /** What was taken of GPUs so far. */
  get arenas(): GpuArena[] {
    return [...this.#parts.values()].map(({ device, address, byteLength, allocator }) => {
      return { device, address, byteLength, usedBytes: allocator.usage().usedBytes };
    });
  }

  /**
   * Takes memory of every GPU now, rather than with its first tensor.
   *
   * @throws {ConnectError} as `allocate`
   */
  openAll(): void {
    for (const device of this.#options.devices.keys()) if (!this.#parts.has(device)) this.#open(device);
  }

  /** Says that UCX reads the memory of a GPU: blocks of it are offered there from now on. */
  offerOverUcx(device: number): void {
    this.#overUcx.add(device);
  }

  /**
   * @throws {ConnectError} `failed_precondition` for another kind of memory and for a GPU that is not there, `resource_exhausted` where
   * the GPU has not the bytes that the node wants of it
   */
  allocate(byteLength: number, { memory = "gpu", device = 0 }: AllocateOptions = {}): GpuBlock | undefined {
    if (memory !== "gpu") {
      throw new ConnectError(`Cannot allocate memory: this is of kind "gpu", got "${memory}"`, Code.FailedPrecondition);
    }
    const part = this.#parts.get(device) ?? this.#open(device);
    const allocation = part.allocator.allocate(byteLength);
    return allocation === undefined ? undefined : this.#block(part, allocation, byteLength);
  }

  usage(): MemoryUsage {
    const usages = [...this.#parts.values()].map(({ allocator }) => allocator.usage());
    const sum = (value: (usage: MemoryUsage) => number) => usages.reduce((total, usage) => total + value(usage), 0);
    const [capacityBytes, usedBytes] = [sum((usage) => usage.capacityBytes), sum((usage) => usage.usedBytes)];
    const largestFreeBytes = Math.max(0, ...usages.map((usage) => usage.largestFreeBytes));
    const fragmentation = capacityBytes === usedBytes ? 0 : 1 - largestFreeBytes / (capacityBytes - usedBytes);
    return { capacityBytes, usedBytes, largestFreeBytes, blocks: sum((usage) => usage.blocks), fragmentation };
  }

  /** Gives all GPUs' memory back; whoever has an address of it must have ended. */
  [Symbol.dispose](): void {
    for (const { arena } of this.#parts.values()) this.#options.addon.freeDevice(arena);
    this.#parts.clear();
  }

  #open(device: number): Part {
    const { addon, driver, devices, bytesPerDevice } = this.#options;
    const facts = devices[device];
    if (facts === undefined) {
      const text = `Cannot allocate memory on GPU ${device}: device must be below ${devices.length}, got ${device}`;
      throw new ConnectError(text, Code.FailedPrecondition);
    }
    try {
      const arena = addon.allocateDevice(driver, device, bytesPerDevice);
      const address = addon.deviceAddress(arena);
      const part = { device, address, byteLength: bytesPerDevice, arena, allocator: new Allocator(bytesPerDevice) };
      this.#parts.set(device, part);
      return part;
    } catch (error) {
      throw gpuError(`Cannot take ${bytesPerDevice} bytes of GPU ${device} ("${facts.name}")`, error);
    }
  }

  #block(part: Part, allocation: Allocation, byteLength: number): GpuBlock {
    const { addon } = this.#options;
    const { device, arena, allocator } = part;
    const within = (offset: number, length: number) => {
      if (offset >= 0 && length >= 0 && offset + length <= byteLength) return allocation.offset + offset;
      const text = `Cannot copy a tensor's memory: the block has ${byteLength} bytes, got ${length} bytes at ${offset}`;
      throw new ConnectError(text, Code.InvalidArgument);
    };
    const doing = <T>(what: string, work: () => T): T => {
      try {
        return work();
      } catch (error) {
        throw error instanceof ConnectError ? error : gpuError(what, error);
      }
    };
    const block: GpuBlock = {
      bytes: undefined,
      byteLength,
      memory: "gpu",
      device,
      offset: allocation.offset,
      overUcx: this.#overUcx.has(device),
      read: (offset, length) =>
        doing(`Cannot copy from GPU ${device}`, () => {
          const into = new Uint8Array(length);
          addon.readDevice(arena, within(offset, length), into);
          return into;
        }),
      write: (offset, data) =>
        doing(`Cannot copy to GPU ${device}`, () => addon.writeDevice(arena, within(offset, data.length), data)),
      copyFrom: (source, sourceOffset, offset, length) =>
        doing(`Cannot copy to GPU ${device} from GPU ${source.device}`, () => {
          const from = this.#partOf.get(source);
          if (from === undefined || sourceOffset < 0 || sourceOffset + length > source.byteLength) {
            const text = `Cannot copy between GPUs: ${length} bytes at ${sourceOffset} must lie in a block of this memory`;
            throw new ConnectError(text, Code.InvalidArgument);
          }
          addon.copyDevice(from.arena, source.offset + sourceOffset, arena, within(offset, length), length);
        }),
      free: () => allocator.free(allocation),
    };
    this.#partOf.set(block, part);
    return block;
  }
}
