import { afterAll, afterEach, beforeAll, describe, expect } from "bun:test";
import { Code } from "@connectrpc/connect";
import { Tensor } from "../../../src/tensor/mod.ts";
import { badWaybills, bytesTensor, Cleanup, everyTensor, pattern, same } from "../../data/support.ts";
import { Attached } from "../../support/attached.ts";
import { until } from "../../support/program.ts";
import { noSharedMemory, SidecarProcess } from "../../support/sidecar.ts";
import { testUnless } from "../../support/skip.ts";
import { failure } from "../../support/waiting.ts";

const MIB = 2 ** 20;

describe("a worker's session with its sidecar", () => {
  const cleanup = new Cleanup();
  let sidecar: SidecarProcess;

  beforeAll(async () => {
    sidecar = await new SidecarProcess({ budgetBytes: 256 * MIB, segmentBytes: 8 * MIB }).start();
  });
  afterEach(() => cleanup.run());
  afterAll(() => sidecar[Symbol.asyncDispose]());

  async function attached(to: SidecarProcess = sidecar): Promise<Attached> {
    return cleanup.add(await Attached.to(to.socketPath));
  }

  testUnless(noSharedMemory, "tensors of every dtype are put, and read by another worker where they are", async () => {
    const [one, other] = [await attached(), await attached()];
    for (const tensor of everyTensor()) {
      const waybill = await one.home.put(tensor);
      expect(waybill.node).toBe("node-a");
      const remote = other.plane.open(waybill);
      const read = await remote.fetch();
      expect([remote.way, read.dtype, read.shape]).toEqual(["shm", tensor.dtype, tensor.shape]);
      expect(same(read.bytes, tensor.bytes)).toBe(true);
      await remote.release();
    }
    await until("all is given back", () => one.link.session?.own?.usedBytes === 0);
  });

  testUnless(noSharedMemory, "what was allocated is seen by others without a copy", async () => {
    const [one, other] = [await attached(), await attached()];
    const bytes = await one.home.allocate(4 * MIB, {});
    bytes.set(pattern(4 * MIB));
    const waybill = await one.home.put(new Tensor("UINT8", [4 * MIB], bytes));
    expect(one.home.bytes).toEqual({ inPlace: 4 * MIB, copied: 0, sent: 0, kept: 0 });
    const read = await other.plane.open(waybill).fetch();
    expect(same(read.bytes, pattern(4 * MIB))).toBe(true);
    // Against the rules, to see that it is the same memory.
    bytes[1000] = 77;
    expect(read.bytes[1000]).toBe(77);
  });

  testUnless(noSharedMemory, "sizes around pages, segments and what needs more segments", async () => {
    const [one, other] = [await attached(), await attached()];
    for (const size of [0, 1, 65_535, 65_536, 65_537, MIB, 8 * MIB, 20 * MIB]) {
      const waybill = await one.home.put(bytesTensor(size));
      const remote = other.plane.open(waybill);
      expect(same((await remote.fetch()).bytes, pattern(size))).toBe(true);
      expect(remote.way).toBe("shm");
      await remote.release();
    }
  });

  testUnless(noSharedMemory, "a second lease keeps the bytes, and the last release gives them back", async () => {
    const { home, plane, link } = await attached();
    const first = plane.open(await home.put(bytesTensor(MIB)));
    const second = await first.share();
    expect(await first.touch({ leaseMs: 1_000 })).toBeGreaterThan(Date.now());
    await first.release();
    expect(same((await second.fetch()).bytes, pattern(MIB))).toBe(true);
    expect(link.session?.own?.usedBytes).toBe(MIB);
    await second.release();
    await until("it is given back", () => link.session?.own?.usedBytes === 0);
    expect((await failure(second.waybill && plane.open(second.waybill).fetch())).code).toBe(Code.PermissionDenied);
  });

  testUnless(noSharedMemory, "a lease may expire while the tensor is read", async () => {
    const { home, plane, link } = await attached();
    const waybill = await link.session!.put(
      await link.session!.own!.allocate(MIB, { waitMs: 0 }),
      new Tensor("UINT8", [MIB], new Uint8Array(MIB)),
      { leaseMs: 300 },
    );
    const remote = plane.open(waybill);
    const { bytes } = await remote.fetch();
    const before = bytes.slice();
    const fetchedAt = Date.now();
    await until("the lease is over", () => Date.now() > fetchedAt + 350);
    expect((await failure(plane.touch(waybill))).code).toBe(Code.PermissionDenied);
    // Others take memory meanwhile, and none of it is this.
    for (let i = 0; i < 4; i++) await home.put(bytesTensor(MIB));
    expect(same(bytes, before)).toBe(true);
    remote.letGo();
    await until("it is given back", () => link.session?.own?.usedBytes === 4 * MIB);
  });

  testUnless(noSharedMemory, "what is wrong with a waybill is answered alike", async () => {
    const { home, plane } = await attached();
    const [good, other] = [await home.put(bytesTensor(100)), await home.put(bytesTensor(100))];
    for (const bad of badWaybills(good, other)) {
      const error = await failure(plane.open(bad).fetch({ via: ["shm"] }));
      expect([error.code, error.rawMessage]).toEqual([
        Code.PermissionDenied,
        "Cannot use the tensor: it needs a valid capability for this, got none",
      ]);
    }
  });

  testUnless(noSharedMemory, "operations of one turn go together, and one that fails keeps no other", async () => {
    const { home, plane } = await attached();
    const good = await Promise.all(Array.from({ length: 300 }, (_, i) => home.put(bytesTensor(i))));
    const bad = good[0]!.with({ capability: new Uint8Array([1]) });
    const shared = await Promise.allSettled([...good, bad].map((waybill) => plane.share(waybill)));
    expect(shared.map(({ status }) => status)).toEqual([...good.map(() => "fulfilled"), "rejected"]);
  });

  testUnless(noSharedMemory, "an output waits for room, and is refused when none comes", async () => {
    const small = cleanup.add(await new SidecarProcess({ budgetBytes: 8 * MIB, segmentBytes: 8 * MIB }).start());
    const { home, plane, link } = await attached(small);
    const first = plane.open(await home.put(bytesTensor(6 * MIB)));
    const waiting = home.put(bytesTensor(6 * MIB));
    await first.release();
    const second = await waiting;
    expect(second.node).toBe("node-a");
    const error = await failure(Promise.resolve(link.session!.own!.allocate(6 * MIB, { waitMs: 50 })));
    expect(error.code).toBe(Code.ResourceExhausted);
  });

  testUnless(noSharedMemory, "memory files do where /dev/shm is too small", async () => {
    const small = cleanup.add(await new SidecarProcess({ budgetBytes: 2 ** 50, segmentBytes: 8 * MIB }).start());
    const [one, other] = [await attached(small), await attached(small)];
    expect((await small.describe()).arenas[0]?.backing).toBe("memfd");
    const remote = other.plane.open(await one.home.put(bytesTensor(MIB)));
    expect(same((await remote.fetch()).bytes, pattern(MIB))).toBe(true);
    expect(remote.way).toBe("shm");
  });

  testUnless(noSharedMemory, "what is not used is given back", async () => {
    const { home, link } = await attached();
    const bytes = await home.allocate(MIB, {});
    expect(link.session?.own?.usedBytes).toBe(MIB);
    home.discard(bytes);
    home.discard(bytes);
    expect(link.session?.own?.usedBytes).toBe(0);
  });
});
