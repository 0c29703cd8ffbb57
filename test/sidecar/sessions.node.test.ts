// A sidecar runs on Node alone.
import { existsSync } from "node:fs";
import { afterEach, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { waybillToMessage } from "../../src/waybill/mod.ts";
import { bytesTensor, Cleanup, failure } from "../data/support.ts";
import { until } from "../support/program.ts";
import { noSharedMemory } from "../support/sidecar.ts";
import { testUnless } from "../support/skip.ts";
import { attach, type AttachedWorker, leasesOf, local, startNode } from "./support/node.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const put = ({ attached }: AttachedWorker, offset: number, byteSize: number, more: object = {}) => ({
  kind: {
    case: "put" as const,
    value: {
      block: { segment: attached.own?.name ?? "", offset: BigInt(offset), generation: 1n },
      dtype: "UINT8",
      shape: [BigInt(byteSize)],
      byteSize: BigInt(byteSize),
      ...more,
    },
  },
});

/** Events until one of a kind. */
async function next(worker: AttachedWorker, kind: "freed" | "expired") {
  for (;;) {
    const { value, done } = await worker.events.next();
    if (done === true) throw new Error("The session has ended");
    if (value.event.case === kind) return value.event.value;
  }
}

describe("a worker's session", () => {
  testUnless(noSharedMemory, "takes blocks of its own segment for tensors, and hears when they are free again", async () => {
    const node = await startNode(cleanup);
    const worker = await attach(cleanup, node, "encoder.0");
    const made = await worker.batch(put(worker, 0, 100), put(worker, 128, 50));
    expect(made.map(({ case: kind }) => kind)).toEqual(["descriptor", "descriptor"]);
    const [first, second] = made.map(({ value }) => value as never as { reference: Uint8Array; capability: Uint8Array });
    expect([...node.store.list()].map(({ holder, byteLength }) => [holder, byteLength])).toEqual([
      ["encoder.0", 100],
      ["encoder.0", 50],
    ]);
    const shared = await worker.batch({ kind: { case: "share", value: { tensor: first } } }, {
      kind: { case: "release", value: { tensors: [first!, second!] } },
    });
    expect(shared.map(({ case: kind }) => kind)).toEqual(["descriptor", "released"]);
    expect(await next(worker, "freed")).toMatchObject({ blocks: [{ offset: 128n, generation: 1n }] });
    // The same place may hold another one now.
    expect((await worker.batch(put(worker, 128, 8)))[0]?.case).toBe("descriptor");
  });

  testUnless(noSharedMemory, "refuses blocks that are not its own, and keeps nothing of them", async () => {
    const node = await startNode(cleanup);
    const [worker, other] = [await attach(cleanup, node), await attach(cleanup, node)];
    const size = Number(worker.attached.own?.byteSize);
    const refused = await worker.batch(
      put(other, 0, 8),
      put(worker, size, 8),
      put(worker, size - 4, 8),
      put(worker, 0, 8, { dtype: "FP64" }),
      put(worker, 0, 8, { shape: [9n] }),
      put(worker, 0, 8, { dtype: "nonsense" }),
      put(worker, 0, size + 1),
      put(worker, 0, 8, { block: undefined }),
      { kind: { case: undefined } },
    );
    expect(refused.map(({ case: kind }) => kind)).toEqual(new Array(9).fill("error"));
    const twice = await worker.batch(put(worker, 0, 8), put(worker, 0, 8));
    expect(twice.map(({ case: kind }) => kind)).toEqual(["descriptor", "error"]);
    expect(node.describe()).toMatchObject({ leases: 1, usedBytes: 8 });
  });

  testUnless(noSharedMemory, "hears of leases that expire, and its segment goes once nobody holds what is in it", async () => {
    const node = await startNode(cleanup);
    const worker = await attach(cleanup, node);
    const [kept] = await worker.batch(put(worker, 0, 8, { leaseMs: 60_000 }), put(worker, 64, 8, { leaseMs: 60 }));
    const { references } = await next(worker, "expired") as { references: Uint8Array[] };
    expect(references).toHaveLength(1);
    const path = worker.attached.own?.path ?? "";
    expect(existsSync(path)).toBe(true);
    await worker.leave();
    await until("its session has ended", () => node.describe().sessions === 0);
    // Others have leases on it.
    expect(existsSync(path)).toBe(true);
    await node.store.release(kept?.value as never);
    await until("its segment is gone", () => !existsSync(path));
  });

  testUnless(noSharedMemory, "keeps pinned memory in place beyond its leases, until the pin or the session ends", async () => {
    const node = await startNode(cleanup);
    const [owner, reader] = [await attach(cleanup, node), await attach(cleanup, node)];
    const tensor = await node.store.put(bytesTensor(1000));
    const { reference, capability } = tensor;
    const [pinned] = await reader.batch({ kind: { case: "pin", value: { tensor: { reference, capability } } } });
    expect(pinned).toMatchObject({ case: "pinned", value: { byteSize: 1000n, dtype: "UINT8" } });
    await node.store.release(tensor);
    expect(node.store.describe()).toMatchObject({ leases: 0, pinned: 1, usedBytes: 1000 });
    const { pin } = pinned!.value as { pin: bigint };
    await owner.batch({ kind: { case: "unpin", value: { pins: [pin] } } });
    expect(node.describe().pins).toBe(1);
    await reader.batch({ kind: { case: "unpin", value: { pins: [pin, pin, 77n] } } });
    expect(node.store.describe()).toMatchObject({ pinned: 0, usedBytes: 0 });
    expect((await reader.batch({ kind: { case: "pin", value: { tensor: { reference, capability } } } }))[0]?.case).toBe(
      "error",
    );
  });

  testUnless(noSharedMemory, "gets more segments, within the node's budget", async () => {
    const node = await startNode(cleanup, { budgetBytes: 2 ** 24, segmentBytes: 2 ** 22 });
    const worker = await attach(cleanup, node);
    const add = (byteSize: number) => ({ kind: { case: "addSegment" as const, value: { byteSize: BigInt(byteSize) } } });
    const [added, tooMuch, nothing] = await worker.batch(add(2 ** 23), add(2 ** 23), add(0));
    expect([added?.case, tooMuch?.case, nothing?.case]).toEqual(["segment", "error", "error"]);
    const { name } = added!.value as { name: string };
    const block = { segment: name, offset: 64n, generation: 3n };
    expect((await worker.batch(put(worker, 0, 8, { block })))[0]?.case).toBe("descriptor");
  });

  testUnless(noSharedMemory, "pulls tensors of other nodes into memory that it maps", async () => {
    const [mine, theirs] = [await startNode(cleanup), await startNode(cleanup, { node: "node-b" })];
    const worker = await attach(cleanup, mine, "decoder.0");
    const good = await theirs.store.put(bytesTensor(100_000));
    const own = await mine.store.put(bytesTensor(10));
    const bad = good.with({ capability: own.capability });
    const tensors = [good, own, bad].map(waybillToMessage);
    const [pulled] = await worker.batch({ kind: { case: "pull", value: { tensors } } });
    const results =
      (pulled?.value as { tensors: { way: string; result: { case: string; value: { code?: number } } }[] }).tensors;
    expect(results.map(({ way, result }) => [way, result.case])).toEqual([
      ["http", "pinned"],
      ["local", "pinned"],
      ["", "error"],
    ]);
    expect(results[2]?.result.value.code).toBe(Code.PermissionDenied);
    expect(mine.describe()).toMatchObject({ pins: 2, leases: 1 });
    const [none] = await worker.batch({ kind: { case: "pull", value: { tensors: [tensors[0]!], via: ["ucx"] } } });
    expect(none).toMatchObject({ case: "pulled", value: { tensors: [{ result: { case: "error" } }] } });
    expect(mine.store.describe()).toMatchObject({ reserved: 0 });
  });
});

describe("watching and listing a node", () => {
  test("tell of ends, each with its cause, to who holds a lease or may see all", async () => {
    const node = await startNode(cleanup);
    const leases = leasesOf(node);
    const [a, b] = [
      await node.store.put(bytesTensor(8), { holder: "me" }),
      await node.store.put(bytesTensor(9), { leaseMs: 80 }),
    ];
    const tensors = [a, b].map(({ reference, capability }) => ({ reference, capability }));
    const own = leases.watch({ tensors })[Symbol.asyncIterator]();
    const all = leases.watch({}, await local(node))[Symbol.asyncIterator]();
    await Promise.all([own.next(), all.next()]);
    const listed = [];
    for await (const page of leases.list({}, await local(node))) listed.push(...page.tensors);
    expect(listed.map(({ holder, byteSize }) => [holder, byteSize])).toEqual([["me", 8n], ["", 9n]]);
    await node.store.release(a);
    for (const watch of [own, all]) {
      const seen: string[] = [];
      while (seen.length < 2) {
        const { value, done } = await watch.next();
        if (done === true) break;
        seen.push(...value.ends.map(({ cause }: { cause: string }) => cause));
      }
      expect(seen).toEqual(["released", "expired"]);
    }
    // It has nothing to wait for any more.
    expect((await own.next()).done).toBe(true);
    const gone = leases.watch({ tensors })[Symbol.asyncIterator]();
    expect(await failure(gone.next())).toMatchObject({ code: Code.PermissionDenied });
  });
});
