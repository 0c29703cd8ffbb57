import { afterEach, describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { MemoryBroker } from "../../src/bus/mod.ts";
import {
  Allocator,
  Arena,
  DataPlane,
  type MemoryBlock,
  PinHolder,
  type TensorMemory,
  TensorStore,
  type TensorStoreOptions,
} from "../../src/data/mod.ts";
import { serveTensors } from "../../src/data/server.ts";
import { Tensor } from "../../src/tensor/mod.ts";
import { busNode, busPlane, bytesTensor, Cleanup, everyTensor, failure, pattern, same, until } from "./support.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const MIB = 1_048_576;

/** A store over one segment of a few MiB. */
function arenaStore(options: Partial<TensorStoreOptions> & { segmentBytes?: number } = {}) {
  const { segmentBytes = 4 * MIB, ...rest } = options;
  const segment = { name: "waybill-0-test", bytes: new Uint8Array(segmentBytes) };
  const memory = new Arena();
  memory.add(segment);
  const ways = [{ kind: "shm", host: "host-a" }, { kind: "ucx", address: "127.0.0.1:1", version: "1.22" }] as const;
  return { store: cleanup.add(new TensorStore({ node: "node-a", memory, ways, ...rest })), memory, segment };
}

describe("a store with memory of its own", () => {
  test("keeps a copy of what is put, where those who map the segment find it", async () => {
    const { store, memory, segment } = arenaStore();
    const tensor = bytesTensor(1_000);
    const waybill = await store.put(tensor);
    tensor.bytes.fill(0);
    const [shm, ucx] = waybill.ways;
    if (shm?.kind !== "shm") throw new Error("It must name its segment");
    expect(shm).toMatchObject({ host: "host-a", segment: segment.name, generation: 1n });
    expect(ucx?.kind).toBe("ucx");
    expect(same(segment.bytes.subarray(shm.offset, shm.offset + 1_000), pattern(1_000))).toBe(true);
    expect((await store.get(waybill)).tensor.bytes).toEqual(pattern(1_000));
    expect(store.describe().ways.map(({ kind }) => kind)).toEqual(["ucx"]);
    await store.release(waybill);
    expect(memory.usage()).toMatchObject({ blocks: 0, usedBytes: 0 });
  });

  test("holds every tensor as it is, empty ones too", async () => {
    const { store, memory } = arenaStore();
    const plane = cleanup.add(new DataPlane({ stores: [store] }));
    for (const tensor of everyTensor()) {
      const waybill = await store.put(tensor);
      expect(waybill.ways[0]?.kind).toBe("shm");
      const fetched = await plane.open(waybill).fetch();
      expect([fetched.dtype, fetched.shape, fetched.bytes]).toEqual([tensor.dtype, tensor.shape, tensor.bytes]);
      await store.release(waybill);
    }
    expect(memory.usage().blocks).toBe(0);
  });

  test("copies nothing of a tensor that it allocated, whoever put a tensor over it", async () => {
    const { store, memory, segment } = arenaStore();
    const tensor = await store.allocate("FP32", [2, 3]);
    expect(tensor.bytes.buffer).toBe(segment.bytes.buffer);
    tensor.data.set([1, 2, 3, 4, 5, 6]);
    const reshaped = new Tensor("FP32", [6], tensor.bytes);
    const waybill = await store.put(reshaped);
    expect([waybill.shape, memory.usage().blocks]).toEqual([[6], 1]);
    const pin = await store.pin(waybill);
    expect(pin.tensor?.bytes.byteOffset).toBe(tensor.bytes.byteOffset);
    // It is the store's now.
    tensor[Symbol.dispose]();
    expect((await store.get(waybill)).tensor.toNumbers()).toEqual([1, 2, 3, 4, 5, 6]);
    // Put again it is a tensor like any other.
    await store.put(tensor);
    expect(memory.usage().blocks).toBe(2);
  });

  test("has back what was allocated and never put: when disposed of, after a time, and at the end", async () => {
    const warnings: Record<string, unknown>[] = [];
    const logger = { debug() {}, info() {}, error() {}, warn: (_: string, fields = {}) => void warnings.push(fields) };
    const { store, memory } = arenaStore({ reserveMs: 50, logger });
    const disposed = await store.allocate("UINT8", [100]);
    disposed[Symbol.dispose]();
    disposed[Symbol.dispose]();
    expect(store.describe()).toMatchObject({ reserved: 0, usedBytes: 0 });
    const forgotten = await store.allocate("UINT8", [100]);
    expect(store.describe()).toMatchObject({ reserved: 1, usedBytes: 100 });
    await until("its time is over", () => store.describe().reserved === 0);
    expect(warnings).toEqual([{ node: "node-a", tensors: 1, bytes: 100 }]);
    expect(memory.usage().blocks).toBe(0);
    // Somebody else's memory by now: put like any other.
    const waybill = await store.put(forgotten);
    await store.release(waybill);
    const reservation = await store.reserve("UINT8", [5]);
    await store.close();
    expect([reservation.open, memory.usage().blocks]).toEqual([false, 0]);
    expect(await failure(store.commit(reservation))).toMatchObject({ code: Code.FailedPrecondition });
    expect(await failure(store.allocate("UINT8", [1]))).toMatchObject({ code: Code.Unavailable });
  });

  test("never uses pinned memory again, though all leases are gone", async () => {
    const { store, memory, segment } = arenaStore({ segmentBytes: 65_536 * 2 });
    const waybill = await store.put(bytesTensor(65_536), { leaseMs: 30 });
    const pin = await store.pin(waybill);
    const second = await store.pin(waybill);
    await until("the lease has ended", () => store.describe().leases === 0);
    expect(await failure(store.pin(waybill))).toMatchObject({ code: Code.PermissionDenied });
    expect(store.describe()).toMatchObject({ pinned: 1, usedBytes: 65_536, leakedLeases: 1 });
    const other = await store.put(new Tensor("UINT8", [65_536], new Uint8Array(65_536).fill(7)));
    expect(await failure(store.put(bytesTensor(1), { signal: AbortSignal.timeout(20) }))).toBeInstanceOf(Error);
    const at = pin.location!.offset;
    expect(same(segment.bytes.subarray(at, at + 65_536), pattern(65_536))).toBe(true);
    pin.release();
    pin.release();
    expect(memory.usage().blocks).toBe(2);
    const waiting = store.put(bytesTensor(65_536));
    expect(store.describe().waiting).toBe(1);
    second.release();
    await waiting;
    expect(store.describe()).toMatchObject({ pinned: 0, waiting: 0 });
    await store.release(other);
  });

  test("ends the pins of a holder together", async () => {
    const { store, memory } = arenaStore();
    const holder = new PinHolder();
    const waybills = await Promise.all([10, 20, 30].map((length) => store.put(bytesTensor(length))));
    const drop = [];
    for (const waybill of waybills) drop.push(holder.add(await store.pin(waybill)));
    for (const waybill of waybills) await store.release(waybill);
    drop[0]!();
    expect([holder.size, memory.usage().blocks]).toEqual([2, 2]);
    holder[Symbol.dispose]();
    drop[1]!();
    expect([holder.size, memory.usage().blocks]).toEqual([0, 0]);
  });

  test("makes producers wait for a run that is long enough, then tells them how long the longest is", async () => {
    const { store } = arenaStore({ segmentBytes: 4 * 65_536, putWaitMs: 100 });
    const blocks = [];
    for (let i = 0; i < 4; i++) blocks.push(await store.put(bytesTensor(65_536)));
    await store.release(blocks[0]!);
    await store.release(blocks[2]!);
    const refused = await failure(store.put(bytesTensor(100_000)));
    expect(refused).toMatchObject({ code: Code.ResourceExhausted });
    expect(refused.message).toMatch(/of which 131072 are taken, with 65536 bytes in the longest free run after \d+ ms/);
    const waiting = store.put(bytesTensor(100_000));
    await store.release(blocks[1]!);
    expect((await waiting).byteSize).toBe(100_000);
    await store.release(blocks[3]!);
    await store.release(await waiting);
    // With all of it free there is nothing to wait for.
    const never = await failure(store.put(bytesTensor(5 * 65_536)));
    expect(never.message).toContain("with 262144 bytes in the longest free run");
  });

  test("tells who watches of leases and memory, in order", async () => {
    const { store } = arenaStore();
    const seen: string[] = [];
    const unwatch = store.watch({
      leased: ({ expiresAtMs }) => void seen.push(expiresAtMs > Date.now() ? "leased" : "?"),
      renewed: () => void seen.push("renewed"),
      ended: (_, reason) => void seen.push(reason),
      freed: ({ byteLength }) => void seen.push(`freed ${byteLength}`),
    });
    const first = await store.put(bytesTensor(10));
    const second = await store.share(first, { once: true });
    await store.release(first);
    await store.release(second, { consumed: true });
    expect(seen).toEqual(["leased", "renewed", "leased", "released", "consumed", "freed 10"]);
    seen.length = 0;
    const third = await store.put(bytesTensor(10), { leaseMs: 20 });
    await until("it expires", () => store.describe().leases === 0);
    store.used(third.reference, "ucx", 10);
    await store.put(bytesTensor(1));
    await store.close();
    expect(seen).toEqual(["leased", "expired", "freed 10", "leased", "closed", "freed 1"]);
    expect(store.describe().servedBytes).toEqual({ ucx: 10 });
    unwatch();
  });

  test("lets who watches keep memory for what still reads it", async () => {
    const { store, memory } = arenaStore();
    const pins: Disposable[] = [];
    store.watch({ ended: ({ bufferId }) => void pins.push(bufferId.pin()) });
    await store.release(await store.put(bytesTensor(10)));
    expect(memory.usage().blocks).toBe(1);
    pins[0]![Symbol.dispose]();
    expect(memory.usage().blocks).toBe(0);
  });

  test("waits at its end for pins too", async () => {
    const { store, memory } = arenaStore();
    const waybill = await store.put(bytesTensor(10));
    const pin = await store.pin(waybill);
    let closed = false;
    const closing = store.close({ waitForReleaseMs: 60_000 }).then(() => closed = true);
    await store.release(waybill);
    await Promise.resolve();
    expect(closed).toBe(false);
    pin.release();
    await closing;
    expect(memory.usage().blocks).toBe(0);
  });
});

/** Memory that the processor cannot reach, behind copies, as a GPU's is. */
function deviceMemory(capacityBytes: number): TensorMemory & { readonly device: Uint8Array } {
  const device = new Uint8Array(capacityBytes);
  const allocator = new Allocator(capacityBytes);
  return {
    device,
    allocate(byteLength, { memory = "gpu", device: ordinal = 1 } = {}) {
      if (memory !== "gpu") throw new ConnectError("There is no such memory here", Code.FailedPrecondition);
      const block = allocator.allocate(byteLength);
      return block && {
        bytes: undefined,
        byteLength,
        memory,
        device: ordinal,
        read: (offset, length) => device.slice(block.offset + offset, block.offset + offset + length),
        write: (offset, data) => device.set(data, block.offset + offset),
        free: () => allocator.free(block),
      };
    },
    usage: () => allocator.usage(),
  };
}

describe("a store on a device", () => {
  test("says where its tensors are, and is read through the host over HTTP, over the bus and in its own process", async () => {
    const broker = new MemoryBroker();
    const memory = deviceMemory(16 * MIB);
    const store = busNode(cleanup, broker, { memory });
    cleanup.add(await serveTensors(store));
    const plane = busPlane(cleanup, broker);
    const own = cleanup.add(new DataPlane({ stores: [store] }));
    for (const tensor of [...everyTensor(), bytesTensor(5 * MIB)]) {
      const remote = plane.open(await store.put(tensor));
      expect([remote.memory, remote.device]).toEqual(["gpu", 1]);
      for (const way of ["http", "bus"] as const) {
        const { tensor: fetched } = await plane.fetch(remote.waybill, { via: [way] });
        expect([fetched.dtype, fetched.shape, same(fetched.bytes, tensor.bytes)]).toEqual([tensor.dtype, tensor.shape, true]);
      }
      const { bytes } = await own.read(remote.waybill, { offset: tensor.byteLength >> 1, length: tensor.byteLength >> 2 });
      expect(same(bytes, tensor.bytes.subarray(tensor.byteLength >> 1, (tensor.byteLength >> 1) + bytes.length))).toBe(true);
      await remote.release();
    }
    const uploaded = await plane.put({ node: store.node }, bytesTensor(3 * MIB));
    expect([uploaded.memory, same((await uploaded.fetch()).bytes, pattern(3 * MIB))]).toEqual(["gpu", true]);
    await uploaded.release();
    await until("all of it is given back", () => memory.usage().blocks === 0);
  });

  test("has tensors made in place by who can write there, and by nobody else", async () => {
    const memory = deviceMemory(MIB);
    const store = cleanup.add(new TensorStore({ node: "node-a", memory }));
    const reservation = await store.reserve("FP32", [2], { memory: "gpu", device: 3 });
    reservation.block.write!(0, new Uint8Array(new Float32Array([1.5, -2]).buffer));
    const waybill = await store.commit(reservation);
    expect([waybill.memory, waybill.device, waybill.dtype]).toEqual(["gpu", 3, "FP32"]);
    expect((await store.get(waybill)).tensor.toNumbers()).toEqual([1.5, -2]);
    const pin = await store.pin(waybill);
    expect([pin.tensor, pin.held.block]).toEqual([undefined, reservation.block]);
    pin.release();
    expect(await failure(store.allocate("FP32", [2]))).toMatchObject({ code: Code.FailedPrecondition });
    expect(await failure(store.reserve("FP32", [2], { memory: "cpu-pinned" }))).toMatchObject({
      code: Code.FailedPrecondition,
    });
    expect(store.describe()).toMatchObject({ leases: 1, reserved: 0, usedBytes: 8 });
  });
});

describe("a tensor that another's memory holds", () => {
  test("is adopted where it is, and its memory given back once, or at once when it is refused", async () => {
    const store = cleanup.add(new TensorStore({ node: "node-a", budgetBytes: 100, putWaitMs: 0 }));
    let freed = 0;
    const blockOf = (bytes: Uint8Array): MemoryBlock => ({
      ...{ bytes, byteLength: bytes.length, memory: "cpu", device: 0 },
      location: { segment: "waybill-0-worker", offset: 64, generation: 9n },
      free: () => void freed++,
    });
    store.advertise([{ kind: "shm", host: "host-a" }]);
    const waybill = await store.adopt({ dtype: "UINT8", shape: [80], block: blockOf(pattern(80)) }, { once: true });
    expect(waybill.ways).toEqual([{ kind: "shm", host: "host-a", segment: "waybill-0-worker", offset: 64, generation: 9n }]);
    expect([waybill.once, freed]).toEqual([true, 0]);
    const bad = [
      [{ dtype: "UINT8", shape: [30], block: blockOf(pattern(30)) }, Code.ResourceExhausted],
      [{ dtype: "FP32", shape: [2], block: blockOf(pattern(7)) }, Code.InvalidArgument],
      [{ dtype: "BYTES", shape: [1], block: blockOf(new Uint8Array(8).fill(255)) }, Code.InvalidArgument],
    ] as const;
    for (const [tensor, code] of bad) expect(await failure(store.adopt(tensor))).toMatchObject({ code });
    expect([freed, store.describe().usedBytes]).toEqual([3, 80]);
    await store.release(waybill);
    await store.release(waybill);
    expect([freed, store.describe().usedBytes]).toEqual([4, 0]);
  });
});
