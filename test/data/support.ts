import { connectMemory, type MemoryBroker } from "../../src/bus/mod.ts";
import { DataPlane, type DataPlaneOptions, nodeServiceSpec, TensorStore, type TensorStoreOptions } from "../../src/data/mod.ts";
import { BusNodeClients } from "../../src/data/node-clients.ts";
import { Caller } from "../../src/rpc/caller.ts";
import { serve } from "../../src/rpc/serve.ts";
import { Subjects } from "../../src/rpc/subjects.ts";
import { type DType, DTYPE_BYTES, DTYPES, Tensor } from "../../src/tensor/mod.ts";
import type { Waybill } from "../../src/waybill/mod.ts";
import { pause } from "../support/waiting.ts";

export const namespace = "test";

/** What is closed at the end, the last one first. */
export class Cleanup {
  readonly #tasks: (() => unknown)[] = [];
  add<T extends AsyncDisposable>(resource: T): T {
    this.#tasks.push(() => resource[Symbol.asyncDispose]());
    return resource;
  }
  defer(task: () => unknown): void {
    this.#tasks.push(task);
  }
  async run(): Promise<void> {
    for (const task of this.#tasks.splice(0).reverse()) await task();
  }
}

/** A store that is served over a bus. */
export function busNode(cleanup: Cleanup, broker: MemoryBroker, options: Partial<TensorStoreOptions> = {}): TensorStore {
  const node = options.node ?? "node-a";
  const store = new TensorStore({ ways: [{ kind: "bus", namespace, node }], ...options, node });
  const bus = cleanup.add(connectMemory(broker));
  const services = [nodeServiceSpec(store, { maxMessageBytes: bus.maxPayloadBytes })];
  const served = serve(bus, { namespace, subject: new Subjects(namespace).node(node), services });
  cleanup.defer(() => served.close({ drainMs: 100 }));
  return cleanup.add(store);
}

/** A data plane over a bus. */
export function busPlane(cleanup: Cleanup, broker: MemoryBroker, options: DataPlaneOptions = {}): DataPlane {
  const bus = cleanup.add(connectMemory(broker));
  const caller = cleanup.add(new Caller(bus, { namespace, operatorWaitMs: 300 }));
  return cleanup.add(new DataPlane({ nodes: new BusNodeClients(caller), ...options }));
}

/** Bytes that tell where they are. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  // It repeats after 64 KiB: what is larger is copied.
  const first = Math.min(length, 65_536);
  for (let i = 0; i < first; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  for (let at = first; at < length; at += at) bytes.copyWithin(at, 0, Math.min(at, length - at));
  return bytes;
}

/** A tensor of bytes. */
export function bytesTensor(length: number): Tensor {
  return new Tensor("UINT8", [length], pattern(length));
}

/** Tensors of every dtype, of no elements, without dimensions and with awkward bytes. */
export function everyTensor(): Tensor[] {
  const plain = (dtype: DType) => new Tensor(dtype, [2, 3], pattern(6 * DTYPE_BYTES[dtype]));
  return [
    ...DTYPES.filter((dtype) => dtype !== "BYTES").map(plain),
    Tensor.from("BYTES", ["", "a\0b", new Uint8Array([0, 0, 255, 0]), "ü"]),
    Tensor.from("FP32", 1.5),
    new Tensor("FP64", [0, 4], new Uint8Array(0)),
    new Tensor("BYTES", [0], new Uint8Array(0)),
  ];
}

/** Waybills that are not good for reading, each wrong in another way; `other` is another store's. */
export function badWaybills(good: Waybill, other: Waybill): Waybill[] {
  const mutated = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const { capability, reference } = good;
  return [
    good.with({ reference: mutated(reference, 0) }),
    good.with({ reference: other.reference }),
    good.with({ capability: other.capability }),
    good.with({ capability: capability.subarray(0, capability.length - 1) }),
    good.with({ capability: new Uint8Array([1]) }),
    ...[0, 1, 5, 10, capability.length - 1].map((at) => good.with({ capability: mutated(capability, at) })),
  ];
}

export { pause };

/** Waits until something holds. */
export async function until(what: string, holds: () => boolean, timeoutMs = 5_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}`);
    await pause(5);
  }
}

/** The error that work ends in. */
export async function failure(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error("It must fail, and did not");
}

/** Whether bytes are equal, without the long report of `expect`. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  // Four at once where they lie so: a test compares 64 MiB.
  const words = (a.byteOffset | b.byteOffset) % 4 === 0 ? a.length >> 2 : 0;
  const [first, second] = [a, b].map(({ buffer, byteOffset }) => new Uint32Array(buffer, words === 0 ? 0 : byteOffset, words));
  for (let i = 0; i < words; i++) if (first![i] !== second![i]) return false;
  for (let i = words * 4; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
