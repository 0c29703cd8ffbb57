import { base64Encode } from "@bufbuild/protobuf/wire";
import { afterEach, describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { MemoryBroker } from "../../src/bus/mod.ts";
import { Arena, DataPlane, TensorStore, type WayKind } from "../../src/data/mod.ts";
import { serveTensors } from "../../src/data/server.ts";
import {
  attenuateCapability,
  CapabilityIssuer,
  type HttpWay,
  type Way,
  type Waybill,
  waybillFromBytes,
  waybillFromString,
  waybillToBytes,
  waybillToString,
} from "../../src/waybill/mod.ts";
import { badWaybills, busNode, busPlane, bytesTensor, Cleanup, failure, pattern, same, until } from "./support.ts";

const MIB = 1_048_576;
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** Numbers that look random and are the same each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function arenaOf(bytes: number): Arena {
  const arena = new Arena();
  arena.add({ name: "waybill-0-test", bytes: new Uint8Array(bytes) });
  return arena;
}

describe("a bad waybill", () => {
  test("is refused with one answer by every way, whatever is wrong with it", async () => {
    const broker = new MemoryBroker();
    const key = crypto.getRandomValues(new Uint8Array(32));
    let nowMs = Date.now();
    const store = busNode(cleanup, broker, { memory: arenaOf(MIB), key, nowMs: () => nowMs });
    const other = busNode(cleanup, broker, { node: "node-b" });
    cleanup.add(await serveTensors(store));
    const here = cleanup.add(new DataPlane({ stores: [store] }));
    const elsewhere = busPlane(cleanup, broker);
    const ways: [WayKind, DataPlane][] = [["local", here], ["http", elsewhere], ["bus", elsewhere]];

    const good = await store.put(bytesTensor(8));
    const released = await store.put(bytesTensor(8));
    await store.release(released);
    const expired = await store.put(bytesTensor(8), { leaseMs: 1_000 });
    const issuer = CapabilityIssuer.create({ key });
    const past = await issuer.issue(good.reference, ["read", "share", "touch"], nowMs + 500);
    nowMs += 2_000;
    const bad: [string, Waybill][] = [
      ...badWaybills(good, await other.put(bytesTensor(8))).map((one): [string, Waybill] => ["forged", one]),
      ["unknown", good.with({ reference: crypto.getRandomValues(new Uint8Array(16)) })],
      ["foreign", good.with({ capability: await CapabilityIssuer.create().issue(good.reference, ["read"], nowMs + 10_000) })],
      ["past its hard maximum", good.with({ capability: past })],
      ["restricted", good.with({ capability: await attenuateCapability(good.capability, []) })],
      ["replayed after its release", released],
      ["expired", expired],
      ["of a release that another descriptor had", released.with({ capability: good.capability })],
    ];
    const { message } = await failure(store.get(bad[0]![1]));
    for (const [what, badOne] of bad) {
      // Who asks for another tensor asks at its URL.
      const url = (way: Way) => `${(way as HttpWay).url.replace(/[^/]*$/, "")}${base64Encode(badOne.reference, "url")}`;
      const aimed = (way: Way): Way => (way.kind === "http" ? { kind: "http", url: url(way) } : way);
      const waybill = badOne.with({ ways: good.ways.map(aimed) });
      for (const [way, plane] of ways) {
        const tried = await failure(plane.fetch(waybill, { via: [way] }));
        expect([what, way, tried]).toMatchObject([what, way, { code: Code.PermissionDenied, message }]);
      }
      for (const plane of [here, elsewhere]) {
        for (const work of [plane.share(waybill), plane.touch(waybill)]) {
          expect([what, await failure(work)]).toMatchObject([what, { code: Code.PermissionDenied, message }]);
        }
        await plane.release(waybill);
      }
      expect([what, await failure(store.pin(waybill))]).toMatchObject([what, { code: Code.PermissionDenied, message }]);
    }
    expect(store.describe().leases).toBe(1);
    for (const [way, plane] of ways) expect((await plane.fetch(good, { via: [way] })).tensor.bytes).toEqual(pattern(8));
  });

  test("is refused whatever was changed in it, 100,000 times", async () => {
    const store = cleanup.add(new TensorStore({ node: "node-a", memory: arenaOf(MIB) }));
    const random = numbers(1);
    const kept = await Promise.all([1, 64, 1_000].map((length) => store.put(bytesTensor(length))));
    const { message } = await failure(store.get(kept[0]!.with({ reference: new Uint8Array(16) })));
    const mutate = (bytes: Uint8Array): Uint8Array => {
      const at = random(bytes.length);
      switch (random(4)) {
        case 0:
          return bytes.map((byte, i) => (i === at ? byte ^ (1 << random(8)) : byte));
        case 1:
          return bytes.subarray(0, at);
        case 2:
          return new Uint8Array([...bytes.subarray(0, at), random(256), ...bytes.subarray(at)]);
        default:
          return bytes.map((byte, i) => (i >= at && i < at + 4 ? random(256) : byte));
      }
    };
    const refused = async (proof: { reference: Uint8Array; capability: Uint8Array }) => {
      try {
        await store.get(proof);
      } catch (error) {
        if (error instanceof ConnectError && error.code === Code.PermissionDenied && error.message === message) return true;
        throw error;
      }
      return false;
    };
    // Of 100,000 errors nobody reads where they came from, and V8 takes most of the time for that.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    cleanup.defer(() => Error.stackTraceLimit = stackTraceLimit);
    const parts = kept.map(({ reference, capability }) => ({ reference, capability }));
    for (let i = 0; i < 70_000; i++) {
      const { reference, capability } = parts[random(parts.length)]!;
      const changed = random(8) === 0
        ? { reference: mutate(reference), capability }
        : { reference, capability: mutate(capability) };
      const unchanged = same(changed.reference, reference) && same(changed.capability, capability);
      if (await refused(changed) === unchanged) throw new Error(`Answered wrongly at ${i}`);
    }
    const wholes = kept.map((waybill) => ({ waybill, bytes: waybillToBytes(waybill) }));
    for (let i = 0; i < 30_000; i++) {
      const { bytes } = wholes[random(wholes.length)]!;
      let waybill: Waybill;
      try {
        waybill = waybillFromBytes(mutate(bytes));
      } catch (error) {
        if (error instanceof ConnectError && error.code === Code.InvalidArgument) continue;
        throw error;
      }
      // What it says of the tensor is not what gives the right.
      const intact = parts.some(({ reference, capability }) => {
        return same(reference, waybill.reference) && same(capability, waybill.capability);
      });
      if (await refused(waybill) === intact) throw new Error(`Answered wrongly at ${i}`);
    }
    const text = waybillToString(kept[0]!);
    for (let i = 0; i < 2_000; i++) {
      const at = random(text.length);
      const changed = text.slice(0, at) + String.fromCharCode(33 + random(90)) + text.slice(at + 1);
      if (changed !== text) expect(() => waybillFromString(changed)).toThrow("Cannot decode a waybill");
    }
    expect(store.describe()).toMatchObject({ leases: 3, usedBytes: 1_065 });
  });
});

describe("leases under load", () => {
  test("give right bytes or one refusal while a tensor is released, and all memory back", async () => {
    const memory = arenaOf(MIB);
    const store = cleanup.add(new TensorStore({ node: "node-a", memory }));
    let read = 0;
    let refused = 0;
    for (let round = 0; round < 200; round++) {
      const bytes = new Uint8Array(4_096).fill(round);
      const waybill = await store.put(bytesTensor(0));
      await store.release(waybill);
      const tensor = await store.allocate("UINT8", [4_096]);
      tensor.bytes.set(bytes);
      const first = await store.put(tensor);
      const use = async () => {
        const pin = await store.pin(first);
        await Promise.resolve();
        // Somebody wants the memory meanwhile.
        const next = await store.put(bytesTensor(4_096));
        if (!same(pin.tensor!.bytes, bytes)) throw new Error("Pinned memory was used for something else");
        pin.release();
        await store.release(next);
        read++;
      };
      const works = [use(), store.release(first), use(), store.get(first), store.release(first), use(), store.release(first)];
      for (const result of await Promise.allSettled(works)) {
        if (result.status === "fulfilled") continue;
        expect(result.reason).toMatchObject({ code: Code.PermissionDenied });
        refused++;
      }
    }
    expect([read > 0, refused > 0]).toEqual([true, true]);
    expect(memory.usage()).toMatchObject({ blocks: 0, usedBytes: 0, fragmentation: 0 });
    expect(store.describe()).toMatchObject({ leases: 0, pinned: 0, usedBytes: 0, leakedLeases: 0 });
  });

  test("[L3] that nobody gives back, 10,000 of them, free an arena by themselves, and are told at the end by their holders", async () => {
    const memory = arenaOf(4 * MIB);
    const reports: { message: string; fields: Record<string, unknown> }[] = [];
    const logger = {
      ...{ debug() {}, info() {}, error() {} },
      warn: (message: string, fields: Record<string, unknown> = {}) => void reports.push({ message, fields }),
    };
    const store = cleanup.add(new TensorStore({ node: "node-a", memory, leaseMs: 300, logger }));
    for (let i = 0; i < 10_000; i++) await store.put(bytesTensor(100));
    await until("they expire", () => store.describe().leases === 0, 10_000);
    expect(memory.usage()).toMatchObject({ blocks: 0, fragmentation: 0 });
    expect(store.describe()).toMatchObject({ leakedLeases: 10_000, leakedBytes: 1_000_000, usedBytes: 0 });
    await store.put(bytesTensor(10), { holder: "worker-1", leaseMs: 60_000 });
    const shared = await store.put(bytesTensor(20), { leaseMs: 60_000 });
    await store.share(shared, { holder: "worker-2" });
    expect([...store.list()].map(({ holder, byteLength }) => [holder, byteLength])).toEqual([
      ["worker-1", 10],
      ["", 20],
      ["worker-2", 20],
    ]);
    await store.close();
    expect(reports.at(-1)).toEqual({
      message: "Tensors were still held when their store closed",
      fields: { node: "node-a", leases: 3, bytes: 30, pinned: 0, holders: { "worker-1": 1, "worker-2": 1 } },
    });
    expect(JSON.stringify(reports)).not.toContain(waybillToString(shared));
  });
});
