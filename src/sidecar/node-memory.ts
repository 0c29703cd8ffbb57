import { Code, ConnectError } from "@connectrpc/connect";
import { type AllocateOptions, heapBlock, type MemoryBlock, type MemoryUsage, type TensorMemory } from "../data/memory.ts";

/** All memory of a node: the processor's, and its GPUs'. */
export class NodeMemory implements TensorMemory {
  readonly #host: TensorMemory | undefined;
  readonly #gpus: TensorMemory;

  /** @param host `undefined` for the heap */
  constructor(host: TensorMemory | undefined, gpus: TensorMemory) {
    this.#host = host;
    this.#gpus = gpus;
  }

  /** @throws {ConnectError} `failed_precondition` for memory that is not there, `resource_exhausted` for a GPU that is full of others' */
  allocate(byteLength: number, options: AllocateOptions = {}): MemoryBlock | undefined {
    if (options.memory === "gpu") return this.#gpus.allocate(byteLength, options);
    if (this.#host !== undefined) return this.#host.allocate(byteLength, options);
    if (options.memory === undefined || options.memory === "cpu") return heapBlock(byteLength);
    const text = `Cannot allocate memory: tensors are on the heap or on a GPU, got "${options.memory}"`;
    throw new ConnectError(text, Code.FailedPrecondition);
  }

  /** Of the processor's memory, which is what nearly all tensors wait for. */
  usage(): MemoryUsage {
    return this.#host?.usage() ??
      { capacityBytes: 0, usedBytes: 0, largestFreeBytes: Number.MAX_SAFE_INTEGER, blocks: 0, fragmentation: 0 };
  }
}
