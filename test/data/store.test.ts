import { afterEach, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { TensorStore, type TensorStoreOptions } from "../../src/data/mod.ts";
import { bytesTensor, Cleanup, failure, pattern, until } from "./support.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function makeStore(options: Partial<TensorStoreOptions> = {}): TensorStore {
  return cleanup.add(new TensorStore({ node: "node-a", ...options }));
}

describe("TensorStore", () => {
  test("holds a tensor at once, before its descriptor is signed", async () => {
    const store = makeStore();
    const putting = store.put(bytesTensor(10));
    expect(store.describe()).toMatchObject({ leases: 1, usedBytes: 10 });
    const tensor = bytesTensor(10);
    await store.release(await putting);
    // Twice the same tensor counts twice.
    const [first, second] = await Promise.all([store.put(tensor), store.put(tensor)]);
    expect(store.describe()).toMatchObject({ leases: 2, usedBytes: 20 });
    await Promise.all([store.release(first), store.release(second)]);
    expect(store.describe()).toMatchObject({ leases: 0, usedBytes: 0, leakedLeases: 0, leakedBytes: 0 });
  });

  test("keeps a shared tensor until its last lease ends", async () => {
    const store = makeStore();
    const first = await store.put(bytesTensor(10));
    const second = await store.share(first);
    const third = await store.share(second);
    await store.release(first);
    await store.release(first);
    expect(await failure(store.get(first))).toMatchObject({ code: Code.PermissionDenied });
    expect((await store.get(second)).tensor.bytes).toEqual(pattern(10));
    await store.release(third);
    expect(store.describe()).toMatchObject({ leases: 1, usedBytes: 10 });
    await store.release(second);
    expect(store.describe()).toMatchObject({ leases: 0, usedBytes: 0, leakedLeases: 0 });
  });

  test("gives no right that was not given to it", async () => {
    const store = makeStore();
    const readOnly = await store.put(bytesTensor(10), { rights: ["read"] });
    expect((await store.get(readOnly)).tensor.byteLength).toBe(10);
    for (const work of [store.share(readOnly), store.touch(readOnly), store.release(readOnly)]) {
      expect(await failure(work)).toMatchObject({ code: Code.PermissionDenied });
    }
    // Who may share may end what it shared, and gets no more besides.
    const shared = await store.share(await store.put(bytesTensor(10), { rights: ["share"] }));
    expect(await failure(store.get(shared))).toMatchObject({ code: Code.PermissionDenied });
    await store.release(shared);
  });

  test("[L3] frees what nobody released, and reports it", async () => {
    const warnings: Record<string, unknown>[] = [];
    const logger = { debug() {}, info() {}, error() {}, warn: (_: string, fields = {}) => void warnings.push(fields) };
    const store = makeStore({ leaseMs: 200, logger });
    const shared = await store.put(bytesTensor(50), { leaseMs: 60_000 });
    for (let i = 0; i < 10_000; i++) void store.put(bytesTensor(100)).catch(() => {});
    expect(store.describe()).toMatchObject({ leases: 10_001, usedBytes: 1_000_050 });
    await until("they expire", () => store.describe().leases === 1);
    await store.release(shared);
    expect(store.describe()).toMatchObject({ usedBytes: 0, leakedLeases: 10_000, leakedBytes: 1_000_000 });
    await until("they are told", () => warnings.length > 0);
    const total = (name: string) => warnings.reduce((sum, fields) => sum + Number(fields[name]), 0);
    expect([total("leases"), total("bytes")]).toEqual([10_000, 1_000_000]);
  });

  test("renews a lease by use and by touch", async () => {
    let nowMs = 1_000_000;
    const store = makeStore({ leaseMs: 300, maxLeaseMs: 10_000, nowMs: () => nowMs });
    const [used, touched, left] = await Promise.all([1, 2, 3].map((length) => store.put(bytesTensor(length))));
    expect(await store.touch(touched!, 60_000)).toBe(1_010_000);
    for (let i = 0; i < 6; i++) {
      nowMs += 200;
      expect((await store.get(used!)).expiresAtMs).toBe(nowMs + 300);
    }
    expect(await failure(store.get(left!))).toMatchObject({ code: Code.PermissionDenied });
    expect((await store.get(touched!)).tensor.byteLength).toBe(2);
    nowMs = 1_010_000;
    // However often it was renewed, that is its end.
    expect(await failure(store.get(touched!))).toMatchObject({ code: Code.PermissionDenied });
  });

  test("ends a lease for one consumer once that is acknowledged", async () => {
    const store = makeStore();
    const once = await store.put(bytesTensor(1), { once: true });
    const normal = await store.put(bytesTensor(1));
    await store.get(once);
    await store.release(once, { consumed: true });
    await store.release(normal, { consumed: true });
    expect(store.describe()).toMatchObject({ leases: 1, leakedLeases: 0 });
  });

  test("makes producers wait for space, in turn, then refuses them", async () => {
    const store = makeStore({ budgetBytes: 100, putWaitMs: 150 });
    const first = await store.put(bytesTensor(60));
    const large = store.put(bytesTensor(100));
    const small = store.put(bytesTensor(10));
    expect(store.describe()).toMatchObject({ waiting: 2, usedBytes: 60 });
    await store.release(first);
    const waybill = await large;
    expect(store.describe()).toMatchObject({ waiting: 1, usedBytes: 100 });
    const refused = await failure(small);
    expect(refused).toMatchObject({ code: Code.ResourceExhausted });
    expect(refused.message).toMatch(
      /10 bytes: the store of node "node-a" has a budget of 100 bytes, of which 100 are taken after \d+ ms/,
    );
    const tooLarge = await failure(store.put(bytesTensor(101)));
    expect(tooLarge).toMatchObject({ code: Code.ResourceExhausted });
    const controller = new AbortController();
    const aborted = failure(store.put(bytesTensor(10), { signal: controller.signal }));
    controller.abort();
    expect(await aborted).toMatchObject({ code: Code.Canceled });
    await store.release(waybill);
    expect(store.describe()).toMatchObject({ waiting: 0, usedBytes: 0 });
    await store.put(bytesTensor(100));
  });

  test("makes space of leases that have expired, and of no others", async () => {
    const store = makeStore({ budgetBytes: 100, putWaitMs: 2_000 });
    const kept = await store.put(bytesTensor(40), { leaseMs: 60_000 });
    await store.put(bytesTensor(60), { leaseMs: 100 });
    await store.put(bytesTensor(60));
    expect((await store.get(kept)).tensor.bytes).toEqual(pattern(40));
  });

  test("bounds the leases that a holder can share", async () => {
    const store = makeStore({ maxLeases: 2 });
    const waybill = await store.put(bytesTensor(1));
    await store.share(waybill);
    expect(await failure(store.share(waybill))).toMatchObject({ code: Code.ResourceExhausted });
    expect(await failure(store.put(bytesTensor(1)))).toMatchObject({ code: Code.ResourceExhausted });
    expect(store.describe()).toMatchObject({ leases: 2, usedBytes: 1 });
  });

  test("copies a view of something much larger, so that it holds what it counts", async () => {
    const store = makeStore();
    const { Tensor } = await import("../../src/tensor/mod.ts");
    const view = new Tensor("UINT8", [8], pattern(1_000_000).subarray(0, 8));
    const { tensor } = await store.get(await store.put(view));
    expect([tensor.bytes.buffer.byteLength, tensor.bytes]).toEqual([8, pattern(8)]);
    const whole = bytesTensor(1_000_000);
    expect((await store.get(await store.put(whole))).tensor).toBe(whole);
  });

  test("closes once the last lease has ended, or when the time is over", async () => {
    const store = makeStore({ budgetBytes: 10 });
    const waybill = await store.put(bytesTensor(10));
    const waiting = failure(store.put(bytesTensor(10)));
    const start = performance.now();
    const closing = store.close({ waitForReleaseMs: 10_000 });
    const refused = await failure(store.put(bytesTensor(1)));
    expect(refused).toMatchObject({ code: Code.Unavailable });
    expect(refused.message).toContain('Cannot put a tensor: the store of node "node-a" is closed');
    expect(await waiting).toMatchObject({ code: Code.Unavailable });
    expect((await store.get(waybill)).tensor.byteLength).toBe(10);
    await store.release(waybill);
    await closing;
    expect(performance.now() - start).toBeLessThan(5_000);

    const left = makeStore();
    const held = await left.put(bytesTensor(10));
    await left.close({ waitForReleaseMs: 50 });
    await left.close();
    expect(await failure(left.get(held))).toMatchObject({ code: Code.PermissionDenied });
    expect(left.describe()).toMatchObject({ leases: 0, usedBytes: 0, leakedLeases: 0 });
  });

  test("names what is wrong with an option", () => {
    expect(() => makeStore({ node: "a b" })).toThrow("node");
    expect(() => makeStore({ budgetBytes: -1 })).toThrow("budgetBytes must be an integer from 0, got -1");
    expect(() => makeStore({ leaseMs: 0 })).toThrow("leaseMs");
    expect(() => makeStore({ ways: [{ kind: "http", url: "ftp://a" }] })).toThrow("ftp:");
  });
});
