import { afterEach, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { connectMemory, MemoryBroker } from "../../src/bus/mod.ts";
import { BusNodeClients } from "../../src/data/node-clients.ts";
import { Caller } from "../../src/rpc/caller.ts";
import {
  badWaybills,
  busNode,
  busPlane,
  bytesTensor,
  Cleanup,
  everyTensor,
  failure,
  namespace,
  pattern,
  pause,
  until,
} from "./support.ts";

const MIB = 1024 * 1024;
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("a node's tensors over the bus", () => {
  test("come back as they were put, of every dtype", async () => {
    const broker = new MemoryBroker();
    const store = busNode(cleanup, broker);
    const plane = busPlane(cleanup, broker);
    for (const tensor of everyTensor()) {
      const uploaded = await plane.put({ node: store.node }, tensor);
      expect(uploaded.toString()).toBe(`${tensor} on "node-a"`);
      for (const remote of [uploaded, plane.open(await store.put(tensor))]) {
        const fetched = await remote.fetch();
        expect(remote.way).toBe("bus");
        expect([fetched.dtype, fetched.shape, fetched.bytes]).toEqual([tensor.dtype, tensor.shape, tensor.bytes]);
        await remote.release();
      }
    }
    expect(store.describe()).toMatchObject({ leases: 0, usedBytes: 0, uploads: 0, leakedLeases: 0 });
  });

  test("are found by the node's name where the descriptor names no way, whatever the name", async () => {
    const broker = new MemoryBroker();
    const store = busNode(cleanup, broker, { node: "GPU.0_a", ways: [] });
    const remote = busPlane(cleanup, broker).open(await store.put(bytesTensor(8)));
    expect((await remote.fetch()).bytes).toEqual(pattern(8));
  });

  test("are uploaded in pieces when they are larger than a message", async () => {
    const broker = new MemoryBroker({ maxPayloadBytes: MIB });
    const store = busNode(cleanup, broker);
    const plane = busPlane(cleanup, broker);
    const remote = await plane.put({ node: store.node }, bytesTensor(3 * MIB), { leaseMs: 60_000 });
    expect(store.describe()).toMatchObject({ usedBytes: 3 * MIB, uploads: 0, leases: 1 });
    expect((await remote.fetch()).bytes).toEqual(pattern(3 * MIB));
  });

  test("are read in part", async () => {
    const broker = new MemoryBroker();
    const store = busNode(cleanup, broker);
    const remote = busPlane(cleanup, broker).open(await store.put(bytesTensor(1000)));
    for (const [offset, length] of [[0, 1000], [0, 1], [999, 1], [100, 400], [1000, 0], [0, 0]] as const) {
      expect(await remote.read({ offset, length })).toEqual(pattern(1000).subarray(offset, offset + length));
    }
    for (const [offset, length] of [[0, 1001], [1000, 1], [-1, 1], [0.5, 1]] as const) {
      expect(await failure(remote.read({ offset, length }))).toMatchObject({ code: Code.OutOfRange });
    }
  });

  test("[DP1] refuse every bad capability and reference with one answer", async () => {
    const broker = new MemoryBroker();
    const store = busNode(cleanup, broker);
    const other = busNode(cleanup, broker, { node: "node-b" });
    const plane = busPlane(cleanup, broker);
    const good = await store.put(bytesTensor(8));
    const dead = await store.put(bytesTensor(8));
    await store.release(dead);
    const bad = [...badWaybills(good, await other.put(bytesTensor(8))), dead];
    const { message } = await failure(store.get(bad[0]!));
    for (const waybill of bad) {
      const errors = [plane.fetch(waybill), plane.share(waybill), plane.touch(waybill)].map(failure);
      for (const error of await Promise.all(errors)) {
        expect(error).toMatchObject({ code: Code.PermissionDenied, message });
      }
      await plane.release(waybill);
    }
    expect(store.describe().leases).toBe(1);
    expect((await plane.fetch(good)).tensor.bytes).toEqual(pattern(8));
  });

  test("[L5] stay within the credit of a reader that stops reading", async () => {
    let sent = 0;
    const broker = new MemoryBroker({ deliver: (_, payload) => ((sent += payload.length), true) });
    const store = busNode(cleanup, broker, { leaseMs: 200 });
    const { reference, capability } = await store.put(bytesTensor(64 * MIB));
    const caller = cleanup.add(new Caller(cleanup.add(connectMemory(broker)), { namespace }));
    const stream = new BusNodeClients(caller).of(store.node).get({ tensor: { reference, capability } })[Symbol.asyncIterator]();
    const first = await stream.next();
    expect(first.value?.data).toEqual(pattern(256 * 1024));
    await until("the lease of the reader that does nothing ends", () => store.describe().leases === 0);
    expect(sent).toBeLessThan(8 * MIB);
    // What was on its way is still read; then the tensor is gone.
    const drain = async () => {
      while (!(await stream.next()).done);
    };
    expect(await failure(drain())).toMatchObject({ code: Code.PermissionDenied });
    expect(store.describe()).toMatchObject({ usedBytes: 0, leakedLeases: 1, leakedBytes: 64 * MIB });
  });

  test("end a fetch that is given up", async () => {
    const controller = new AbortController();
    let sent = 0;
    const deliver = (_: string, payload: Uint8Array) => {
      sent += payload.length;
      if (sent > 2 * MIB) controller.abort();
      return true;
    };
    const broker = new MemoryBroker({ deliver });
    const store = busNode(cleanup, broker);
    const remote = busPlane(cleanup, broker).open(await store.put(bytesTensor(64 * MIB)));
    expect(await failure(remote.fetch({ signal: controller.signal }))).toMatchObject({ code: Code.Canceled });
    await pause(100);
    expect(sent).toBeLessThan(16 * MIB);
    // The next one starts anew.
    expect((await remote.fetch()).byteLength).toBe(64 * MIB);
  });
});
