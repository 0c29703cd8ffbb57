import { afterAll, afterEach, beforeAll, describe, expect } from "bun:test";
import { Code } from "@connectrpc/connect";
import { badWaybills, bytesTensor, Cleanup, everyTensor, pattern, same } from "../../data/support.ts";
import { Attached } from "../../support/attached.ts";
import { until } from "../../support/program.ts";
import { noSharedMemory, SidecarProcess } from "../../support/sidecar.ts";
import { testUnless } from "../../support/skip.ts";
import { failure } from "../../support/waiting.ts";

const MIB = 2 ** 20;
const memory = { budgetBytes: 128 * MIB, segmentBytes: 16 * MIB };

const [a, b] = [{ node: "node-a" }, { node: "node-b" }].map(({ node }) =>
  new SidecarProcess({ ...memory, node, ucx: { tls: "tcp,self" } })
) as [SidecarProcess, SidecarProcess];
let noWire = noSharedMemory;
if (noWire === undefined) {
  await Promise.all([a.start(), b.start()]);
  const { native } = await a.describe();
  const ucx = native.find(({ name }) => name === "ucx");
  if (ucx?.available !== true) {
    noWire = `UCX: ${ucx?.detail}`;
    // What has no test that runs may have no hooks that run.
    await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]);
  }
}

describe("tensors of another node", () => {
  const cleanup = new Cleanup();
  let owner: Attached;
  let reader: Attached;

  beforeAll(async () => {
    if (noWire === undefined) [owner, reader] = [await Attached.to(a.socketPath), await Attached.to(b.socketPath)];
  });
  afterEach(() => cleanup.run());
  afterAll(async () => {
    await owner?.[Symbol.asyncDispose]();
    await reader?.[Symbol.asyncDispose]();
    await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]);
  });

  testUnless(noWire, "are fetched by the own node over UCX, and read in its memory", async () => {
    for (const tensor of [...everyTensor(), ...[1, 65_535, 65_536, 65_537, 9 * MIB].map(bytesTensor)]) {
      const remote = reader.plane.open(await owner.home.put(tensor));
      const read = await remote.fetch();
      expect([remote.way, read.dtype, read.shape, same(read.bytes, tensor.bytes)])
        .toEqual(["ucx", tensor.dtype, tensor.shape, true]);
      await remote.release();
    }
    for (const node of [a, b]) {
      await until("nothing is held", async () => {
        const { pins, leases, usedBytes } = await node.describe();
        return pins === 0 && leases === 0 && usedBytes === 0n;
      });
    }
  });

  testUnless(noWire, "are fetched many at once", async () => {
    const waybill = await owner.home.put(bytesTensor(MIB));
    const remotes = await Promise.all(Array.from({ length: 64 }, async () => {
      const remote = reader.plane.open(waybill);
      expect(same((await remote.fetch()).bytes, pattern(MIB))).toBe(true);
      return remote;
    }));
    expect((await b.describe()).pins).toBe(64);
    for (const remote of remotes) remote.letGo();
    await until("their memory is given back", async () => (await b.describe()).usedBytes === 0n);
    await owner.plane.release(waybill);
  });

  testUnless(noWire, "are refused alike whatever is wrong with their waybills", async () => {
    const [good, other] = [await owner.home.put(bytesTensor(100)), await owner.home.put(bytesTensor(100))];
    for (const bad of badWaybills(good, other)) {
      const error = await failure(reader.plane.open(bad).fetch({ via: ["ucx"] }));
      expect([error.code, error.rawMessage]).toEqual([
        Code.PermissionDenied,
        "Cannot use the tensor: it needs a valid capability for this, got none",
      ]);
    }
    for (const waybill of [good, other]) await owner.plane.release(waybill);
    expect((await failure(reader.plane.open(good).fetch({ via: ["ucx"] }))).code).toBe(Code.PermissionDenied);
  });

  testUnless(noWire, "come by the next way when their node's UCX is gone", async () => {
    const third = cleanup.add(await new SidecarProcess({ ...memory, node: "node-c", ucx: { tls: "tcp,self" } }).start());
    const attached = cleanup.add(await Attached.to(third.socketPath));
    const waybill = await attached.home.put(bytesTensor(MIB));
    const ways = waybill.ways.map((way) => way.kind === "ucx" ? { ...way, address: "127.0.0.1:1" } : way);
    const remote = reader.plane.open(waybill.with({ ways }));
    expect(same((await remote.fetch({ timeoutMs: 20_000 })).bytes, pattern(MIB))).toBe(true);
    expect(remote.way).toBe("http");
    await third.stop("SIGKILL");
    const error = await failure(reader.plane.open(waybill).fetch({ timeoutMs: 20_000 }));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.rawMessage).toContain("shm: another node's memory; ucx: ");
  });
});
