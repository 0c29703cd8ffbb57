/**
 * What has to hold of memory on GPUs: the tests run it against a stand-in for CUDA's driver, `npm run gpu-check` against the real one.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { TensorStore } from "../../../src/data/store.ts";
import type { CudaLoad, NativeAddon } from "../../../src/native/mod.ts";
import { GpuMemory } from "../../../src/sidecar/gpu-memory.ts";
import { NodeMemory } from "../../../src/sidecar/node-memory.ts";

const MIB = 2 ** 20;

/** GPUs to check. */
export interface GpusToCheck {
  readonly addon: NativeAddon;
  readonly cuda: Extract<CudaLoad, { readonly unavailable?: undefined }>;
}

/** One thing that has to hold. Throws where it does not; returns why it could not be tried, where it could not. */
export interface GpuCheck {
  readonly name: string;
  run(gpus: GpusToCheck): string | undefined | void | Promise<string | undefined | void>;
}

function requireThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(`This must hold: ${what}`);
}

function codeOf(work: () => unknown): Code | undefined {
  try {
    work();
  } catch (error) {
    return ConnectError.from(error).code;
  }
  return undefined;
}

function pattern(length: number, seed: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 255);
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

/** Calls `use` with memory of 16 MiB on each GPU, which is given back afterwards. */
async function withMemory(
  { addon, cuda }: GpusToCheck,
  use: (memory: GpuMemory) => unknown,
  bytesPerDevice: number = 16 * MIB,
): Promise<void> {
  const memory = new GpuMemory({ addon, driver: cuda.driver, devices: cuda.devices, bytesPerDevice });
  try {
    await use(memory);
  } finally {
    memory[Symbol.dispose]();
  }
}

/** In the order in which they run. */
export const gpuChecks: readonly GpuCheck[] = [
  {
    name: "every GPU has a name and memory",
    run: ({ cuda }) => {
      for (const { name, totalBytes, freeBytes } of cuda.devices) {
        requireThat(
          name !== "" && freeBytes > 0 && freeBytes <= totalBytes,
          `"${name}" has ${freeBytes} of ${totalBytes} bytes`,
        );
      }
    },
  },
  {
    name: "bytes of sizes from 0 to 5 MiB come back from every GPU as they went there",
    run: (gpus) =>
      withMemory(gpus, (memory) => {
        for (const device of gpus.cuda.devices.keys()) {
          for (const size of [0, 1, 63, 64, 65, 65_535, 65_536, 65_537, MIB, 5 * MIB]) {
            const block = memory.allocate(size, { device })!;
            const sent = pattern(size, size);
            block.write(0, sent);
            requireThat(same(block.read(0, size), sent), `${size} bytes are the same on GPU ${device}`);
            if (size > 2) requireThat(same(block.read(1, size - 2), sent.subarray(1, size - 1)), "a part of them is");
            block.free();
          }
        }
        requireThat(memory.usage().usedBytes === 0, "nothing is left in use");
      }),
  },
  {
    name: "blocks lie beside each other without touching",
    run: (gpus) =>
      withMemory(gpus, (memory) => {
        const blocks = [100, 4096, 70_000, 1].map((size) => memory.allocate(size)!);
        for (const [seed, block] of blocks.entries()) block.write(0, pattern(block.byteLength, seed));
        for (const [seed, block] of blocks.entries()) {
          requireThat(same(block.read(0, block.byteLength), pattern(block.byteLength, seed)), "no block changed another");
        }
      }),
  },
  {
    name: "bytes are copied within a GPU and from one to another",
    run: (gpus) =>
      withMemory(gpus, (memory) => {
        const last = gpus.cuda.devices.length - 1;
        const sent = pattern(3 * MIB, 3);
        const [first, second, third] = [
          memory.allocate(3 * MIB)!,
          memory.allocate(3 * MIB)!,
          memory.allocate(MIB, { device: last })!,
        ];
        first.write(0, sent);
        second.copyFrom(first, 0, 0, 3 * MIB);
        third.copyFrom(second, MIB, 0, MIB);
        requireThat(same(third.read(0, MIB), sent.subarray(MIB, 2 * MIB)), "the bytes arrived");
        return last === 0 ? "one GPU: only within it" : undefined;
      }),
  },
  {
    name: "ranges outside of a block are refused, whatever lies there",
    run: (gpus) =>
      withMemory(gpus, (memory) => {
        const [block, other] = [memory.allocate(100)!, memory.allocate(100)!];
        for (const [offset, length] of [[0, 101], [100, 1], [-1, 1], [2 ** 40, 1], [1, -1]] as const) {
          const read = codeOf(() => block.read(offset, length));
          requireThat(read !== undefined, `reading ${length} bytes at ${offset} fails`);
        }
        requireThat(codeOf(() => block.write(1, new Uint8Array(100))) === Code.InvalidArgument, "so does writing");
        requireThat(codeOf(() => block.copyFrom(other, 1, 0, 100)) === Code.InvalidArgument, "so does copying");
      }),
  },
  {
    name: "a GPU that is not there, and memory of another kind, are a failed precondition",
    run: (gpus) =>
      withMemory(gpus, (memory) => {
        const device = gpus.cuda.devices.length;
        requireThat(codeOf(() => memory.allocate(1, { device })) === Code.FailedPrecondition, "the wrong device is refused");
        requireThat(codeOf(() => memory.allocate(1, { memory: "cpu" })) === Code.FailedPrecondition, "so is the wrong kind");
      }),
  },
  {
    name: "a GPU without enough memory is resource_exhausted, and can be used afterwards",
    run: async (gpus) => {
      const tooMuch = gpus.cuda.devices[0]!.totalBytes + MIB;
      await withMemory(gpus, (memory) => {
        requireThat(codeOf(() => memory.allocate(1)) === Code.ResourceExhausted, "more than the GPU has is refused");
      }, tooMuch);
      await withMemory(gpus, (memory) => {
        requireThat(memory.allocate(17 * MIB) === undefined, "more than the arena has is not given");
        const blocks = Array.from({ length: 4 }, () => memory.allocate(4 * MIB));
        requireThat(blocks.every((block) => block !== undefined) && memory.allocate(1) === undefined, "all of it is given");
        for (const block of blocks) block!.free();
        requireThat(memory.allocate(16 * MIB) !== undefined, "and given again in one piece");
      });
    },
  },
  {
    name: "memory that was given back is used no more",
    run: async (gpus) => {
      let read = (): Uint8Array => new Uint8Array();
      await withMemory(gpus, (memory) => {
        const block = memory.allocate(64)!;
        read = () => block.read(0, 64);
      });
      requireThat(codeOf(() => read()) === Code.FailedPrecondition, "a block of freed memory is refused");
    },
  },
  {
    name: "a tensor on a GPU is leased, described and read as any other, by way of the host",
    run: (gpus) =>
      withMemory(gpus, async (memory) => {
        const device = gpus.cuda.devices.length - 1;
        const store = new TensorStore({ node: "gpu-check", memory: new NodeMemory(undefined, memory) });
        const reservation = await store.reserve("FP32", [256, 256], { memory: "gpu", device });
        const sent = pattern(256 * 256 * 4, 9);
        reservation.block.write!(0, sent);
        const waybill = await store.commit(reservation);
        requireThat(waybill.memory === "gpu" && waybill.device === device, "the descriptor names the GPU");
        const stored = await store.get(waybill);
        requireThat(same(stored.tensor.bytes, sent), "its bytes come back");
        requireThat(same(stored.slice(1000, 5)!, sent.subarray(1000, 1005)), "and any part of them");
        await store.close();
        requireThat(memory.usage().blocks === 0, "its memory is given back with its lease");
      }),
  },
];
