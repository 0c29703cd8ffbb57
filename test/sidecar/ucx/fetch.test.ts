import { afterAll, beforeAll, describe, expect } from "bun:test";
import { Code } from "@connectrpc/connect";
import { UcxWire } from "../../../src/sidecar/ucx/mod.ts";
import { attenuateCapability } from "../../../src/waybill/capability.ts";
import { noUcx, unlessNoUcx } from "./support/skip.ts";
import { pattern, same, TRANSPORTS, UcxNode } from "./support/node.ts";

const SIZES = [0, 1, 8, 65_535, 65_536, 65_537, 1 << 20, 64 << 20];
const ROOM = 70 << 20;

for (const [name, transports] of Object.entries(TRANSPORTS)) {
  describe(`UCX over ${name}`, () => {
    let owner: UcxNode;
    let consumer: UcxNode;
    beforeAll(async () => {
      if (noUcx !== undefined) return;
      owner = await UcxNode.open(ROOM, { transports });
      consumer = await UcxNode.open(ROOM, { transports });
      pattern(owner.bytes, 1);
    });
    afterAll(async () => {
      await consumer?.wire.close();
      await owner?.wire.close();
    });

    unlessNoUcx("a tensor of every size arrives as it is, and nothing beside it is written", async () => {
      for (const size of SIZES) {
        const { waybill } = await owner.publish(size, { offset: 64 });
        consumer.bytes.fill(0xee, 0, 4096 + size + 64);
        expect(await consumer.fetch(waybill, owner.wire.address, 4096)).toBeUndefined();
        expect(same(consumer.bytes.subarray(4096, 4096 + size), owner.bytes.subarray(64, 64 + size))).toBe(true);
        expect(consumer.bytes.subarray(0, 4096).every((byte) => byte === 0xee)).toBe(true);
        expect(consumer.bytes.subarray(4096 + size, 4096 + size + 64).every((byte) => byte === 0xee)).toBe(true);
      }
    }, 60_000);

    unlessNoUcx("a part of a tensor is fetched alone, and one beyond its end is refused", async () => {
      const { waybill } = await owner.publish(1 << 20);
      const destination = { memory: consumer.memory, offset: 0 };
      const request = { waybill, address: owner.wire.address, destination, offset: 1_000, length: 100_000 };
      expect(await consumer.wire.fetch([request]).outcomes).toEqual([undefined]);
      expect(same(consumer.bytes.subarray(0, 100_000), owner.bytes.subarray(1_000, 101_000))).toBe(true);
      const [error] = await consumer.wire.fetch([{ ...request, offset: 1 << 20, length: 1 }]).outcomes;
      expect(error?.code).toBe(Code.OutOfRange);
    });

    unlessNoUcx("several references go at once, and each has its own outcome", async () => {
      const good = await owner.publish(100_000, { offset: 128 });
      const forged = { ...good.waybill, capability: new Uint8Array(good.waybill.capability).fill(1, 11) };
      const requests = [good.waybill, forged, good.waybill].map((waybill, index) => ({
        waybill,
        address: owner.wire.address,
        destination: { memory: consumer.memory, offset: index * 100_000 },
      }));
      const outcomes = await consumer.wire.fetch(requests).outcomes;
      expect(outcomes.map((error) => error?.code)).toEqual([undefined, Code.PermissionDenied, undefined]);
      expect(same(consumer.bytes.subarray(200_000, 300_000), owner.bytes.subarray(128, 100_128))).toBe(true);
    });

    unlessNoUcx("64 fetches of one tensor over one connection all succeed", async () => {
      const { waybill } = await owner.publish(1 << 20);
      const outcomes = await Promise.all(
        Array.from({ length: 64 }, (_, index) => consumer.fetch(waybill, owner.wire.address, index << 20)),
      );
      expect(outcomes.filter((error) => error !== undefined)).toEqual([]);
      expect(same(consumer.bytes.subarray(63 << 20, 64 << 20), owner.bytes.subarray(0, 1 << 20))).toBe(true);
      const { endpoints } = await consumer.wire.describe();
      expect(endpoints.length).toBe(1);
    }, 30_000);

    unlessNoUcx("a connection uses the transport that was asked for", async () => {
      const { waybill } = await owner.publish(8);
      expect(await consumer.fetch(waybill, owner.wire.address)).toBeUndefined();
      const { endpoints, transports: there } = await consumer.wire.describe();
      expect(there).toContain(name);
      const lanes = endpoints.find(({ address }) => address === owner.wire.address)?.lanes ?? [];
      expect(lanes.filter((lane) => / am\b/.test(lane)).map((lane) => lane.split("/")[0])).toEqual([name]);
    });
  });
}

describe("UCX and who may read", () => {
  let owner: UcxNode;
  let consumer: UcxNode;
  const codeOf = async (waybill: Parameters<UcxNode["fetch"]>[0]) => (await consumer.fetch(waybill, owner.wire.address))?.code;
  beforeAll(async () => {
    if (noUcx !== undefined) return;
    owner = await UcxNode.open(1 << 20);
    consumer = await UcxNode.open(1 << 20);
  });
  afterAll(async () => {
    await consumer?.wire.close();
    await owner?.wire.close();
  });

  unlessNoUcx("unknown, forged, foreign, expired, restricted and released are one answer", async () => {
    const { lease, waybill } = await owner.publish(8);
    const stranger = await consumer.publish(8);
    const answers = [
      await consumer.fetch({ ...waybill, reference: new Uint8Array(16) }, owner.wire.address),
      await consumer.fetch({ ...waybill, capability: new Uint8Array(43).fill(1) }, owner.wire.address),
      await consumer.fetch({ ...waybill, capability: waybill.capability.subarray(0, 42) }, owner.wire.address),
      await consumer.fetch(stranger.waybill, owner.wire.address),
      await consumer.fetch((await owner.publish(8, { lifeMs: -1 })).waybill, owner.wire.address),
      await consumer.fetch((await owner.publish(8, { capabilityLifeMs: 0 })).waybill, owner.wire.address),
      await consumer.fetch((await owner.publish(8, { rights: ["share", "touch"] })).waybill, owner.wire.address),
      await consumer.fetch(
        { ...waybill, capability: await attenuateCapability(waybill.capability, ["share"]) },
        owner.wire.address,
      ),
    ];
    expect(await codeOf(waybill)).toBeUndefined();
    // The owner may not know yet that its send has ended.
    await lease.withdraw();
    answers.push(await consumer.fetch(waybill, owner.wire.address));
    expect(answers.map((error) => error?.code)).toEqual(answers.map(() => Code.PermissionDenied));
    expect(new Set(answers.map((error) => error?.message)).size).toBe(1);
  });

  unlessNoUcx("a capability with fewer rights reads as long as it may read", async () => {
    const { waybill } = await owner.publish(8);
    const capability = await attenuateCapability(waybill.capability, ["read"]);
    expect(await codeOf({ ...waybill, capability })).toBeUndefined();
    expect(await codeOf({ ...waybill, capability })).toBeUndefined();
  });

  unlessNoUcx("a use renews a lease, and its owner is told of what was read", async () => {
    const used: number[] = [];
    const watched = await UcxNode.open(4096, { onUsed: (_, reads, bytes) => used.push(reads, bytes) });
    const { waybill } = await watched.publish(8, { lifeMs: 300, leaseMs: 60_000 });
    expect(await consumer.fetch(waybill, watched.wire.address)).toBeUndefined();
    const deadline = Date.now() + 5_000;
    while (used.length === 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(used).toEqual([1, 8]);
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect(await consumer.fetch(waybill, watched.wire.address)).toBeUndefined();
    await watched.wire.close();
  });

  unlessNoUcx("a descriptor that says another size, dtype or shape is refused, and nothing is written", async () => {
    const { waybill } = await owner.publish(64, { dtype: "FP32", shape: [4, 4] });
    consumer.bytes.fill(0xee, 0, 128);
    owner.bytes.fill(1, 0, 64);
    for (const lie of [{ byteSize: 32, shape: [8] }, { dtype: "INT32" as const }, { shape: [2, 8] }, { shape: [4, 4, 1] }]) {
      const error = await consumer.fetch({ ...waybill, ...lie }, owner.wire.address);
      expect(error?.code).toBe(Code.DataLoss);
    }
    expect(consumer.bytes.subarray(0, 128).every((byte) => byte === 0xee)).toBe(true);
    expect(await codeOf(waybill)).toBeUndefined();
  });

  unlessNoUcx("fetches and releases race without a wrong byte", async () => {
    for (let round = 0; round < 200; round++) {
      const { lease, waybill } = await owner.publish(100_000);
      owner.bytes.fill(round, 0, 100_000);
      const fetched = Promise.all([0, 1, 2].map((at) => consumer.fetch(waybill, owner.wire.address, at * 100_000)));
      if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      await lease.withdraw();
      // What was freed is used for something else at once.
      owner.bytes.fill(0xaa, 0, 100_000);
      for (const [at, error] of (await fetched).entries()) {
        if (error !== undefined) expect(error.code).toBe(Code.PermissionDenied);
        else expect(consumer.bytes.subarray(at * 100_000, at * 100_000 + 100_000).every((byte) => byte === round)).toBe(true);
      }
    }
  }, 30_000);
});

describe("a UCX wire", () => {
  unlessNoUcx("says what is wrong with its settings, and names the devices", async () => {
    const key = new Uint8Array(32);
    const open = (options: object) => UcxWire.open({ key, ...options }).then((wire) => void wire.close(), (error) => error);
    expect((await open({ transports: ["nonsense"] }))?.code).toBe(Code.Unavailable);
    expect((await open({ settings: { NO_SUCH_SETTING: "1" } }))?.rawMessage).toContain("NO_SUCH_SETTING");
    expect((await open({ devices: ["nosuch0"] }))?.rawMessage).toContain("nosuch0");
    expect((await open({ key: new Uint8Array(3) }))?.code).toBe(Code.InvalidArgument);
    expect((await open({ host: "0.0.0.0" }))?.code).toBe(Code.InvalidArgument);
  });
});
