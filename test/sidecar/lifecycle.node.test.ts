// A sidecar runs on Node alone.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "bun:test";
import { Code, createClient } from "@connectrpc/connect";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { connectMemory, MemoryBroker } from "../../src/bus/mod.ts";
import type { Logger } from "../../src/bus/logger.ts";
import { MemoryDiscovery, MemoryStore } from "../../src/discovery/mod.ts";
import { startSidecar } from "../../src/sidecar/mod.ts";
import { bytesTensor, Cleanup, failure } from "../data/support.ts";
import { startProgram, until } from "../support/program.ts";
import { noSharedMemory, SidecarProcess } from "../support/sidecar.ts";
import { testUnless } from "../support/skip.ts";
import { attach, local, ownFolder, serviceOf, startNode, transportTo } from "./support/node.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("a sidecar's life", () => {
  testUnless(noSharedMemory, "ends with nothing left behind, and says what was never released", async () => {
    const warnings: Record<string, unknown>[] = [];
    const logger: Logger = { debug() {}, info() {}, warn: (_, fields) => void warnings.push(fields ?? {}), error() {} };
    const node = await startNode(cleanup, { logger });
    const health = createClient(Health, transportTo(node, "connect over the Unix socket")).watch({})[Symbol.asyncIterator]();
    expect((await health.next()).value?.status).toBe(1);
    await node.store.put(bytesTensor(1000), { holder: "encoder.0" });
    const worker = await attach(cleanup, node);
    const { segments, own } = worker.attached;
    const paths = [...segments, own!].map(({ path }) => path);
    expect([paths.length, ...paths.map((path) => existsSync(path))]).toEqual([2, true, true]);
    const stopping = node.stop({ drainMs: 50 });
    expect((await health.next()).value?.status).toBe(2);
    await stopping;
    await until(
      "the worker's session has ended",
      async () => (await worker.events.next().catch(() => ({ done: true }))).done === true,
    );
    expect(paths.filter((path) => existsSync(path))).toEqual([]);
    expect([existsSync(node.socketPath), existsSync(`${node.socketPath}.secret`)]).toEqual([false, false]);
    expect(warnings).toContainEqual(expect.objectContaining({ node: "node-a", leases: 1, bytes: 1000 }));
  });

  test("begins anew with each start: old waybills are void, and so is the old secret", async () => {
    const socketPath = join(ownFolder(cleanup), "node.sock");
    const first = await startNode(cleanup, { socketPath });
    const old = await first.store.put(bytesTensor(8));
    const [before, secret] = [first.describe().startId, await local(first)];
    await first.stop();
    const second = await startNode(cleanup, { socketPath });
    expect(second.describe().startId).not.toBe(before);
    expect(await failure(second.store.get(old))).toMatchObject({ code: Code.PermissionDenied });
    expect(await failure(serviceOf(second).describe({}, secret))).toMatchObject({ code: Code.Unauthenticated });
  });

  test("refuses a place that is taken, or that others can reach", async () => {
    const node = await startNode(cleanup);
    expect(await failure(startNode(cleanup, { socketPath: node.socketPath }))).toMatchObject({ code: Code.AlreadyExists });
    expect((await serviceOf(node).describe({}, await local(node))).node).toBe("node-a");
    const port = Number(new URL(node.url).port);
    expect(await failure(startNode(cleanup, { port }))).toMatchObject({ code: Code.Unavailable });
    const open = join(ownFolder(cleanup), "open");
    mkdirSync(open);
    chmodSync(open, 0o755);
    expect(await failure(startNode(cleanup, { socketPath: join(open, "node.sock") }))).toMatchObject({
      code: Code.FailedPrecondition,
    });
    const file = join(ownFolder(cleanup), "file");
    writeFileSync(file, "precious");
    expect(await failure(startNode(cleanup, { socketPath: file }))).toMatchObject({ code: Code.FailedPrecondition });
    for (const options of [{ node: "a b" }, { budgetBytes: -1 }, { tokens: ["short"] }, { limits: { maxSessions: 0 } }]) {
      expect(await failure(startSidecar({ ...options, socketPath: join(ownFolder(cleanup), "x.sock") }))).toMatchObject({
        code: Code.InvalidArgument,
      });
    }
  });

  testUnless(noSharedMemory, "sweeps what a killed one left, and nothing of those that live", async () => {
    const [dead, living] = [new SidecarProcess({ budgetBytes: 2 ** 24 }), new SidecarProcess({ budgetBytes: 2 ** 24 })];
    for (const process of [dead, living]) cleanup.add(await process.start());
    const attached = async (process: SidecarProcess) => {
      const place = { url: "http://x", address: process.address, socketPath: process.socketPath };
      return (await attach(cleanup, place as never)).attached.own?.path ?? "";
    };
    const [left, kept] = [await attached(dead), await attached(living)];
    expect([existsSync(left), existsSync(kept)]).toEqual([true, true]);
    await dead.stop("SIGKILL");
    expect(existsSync(left)).toBe(true);
    await dead.start();
    expect([existsSync(left), existsSync(kept)]).toEqual([false, true]);
  });

  test("runs on the heap without the addon, and says so", async () => {
    const socketPath = join(ownFolder(cleanup), "node.sock");
    const options = JSON.stringify({ node: "plain", socketPath, budgetBytes: 2 ** 20 });
    const env = { WAYBILL_SIDECAR_OPTIONS: options, WAYBILL_NATIVE: "/no/such/addon.node" };
    const program = startProgram("src/sidecar/program.ts", [], { env, runtime: "node" });
    cleanup.defer(() => program.kill());
    await program.waitFor(/"Serving"/);
    const place = { url: "http://x", address: `unix:${socketPath}`, socketPath };
    const { native, arenas, notes, ways } = await serviceOf(place).describe({}, await local(place));
    expect(native.map(({ name, available }) => [name, available])).toEqual([["addon", false], ["ucx", false], ["cuda", false]]);
    expect(arenas).toMatchObject([{ backing: "heap", segments: 0 }]);
    expect(notes.join()).toContain("heap");
    expect(ways.map(({ kind }) => kind.case)).toEqual(["http"]);
    expect((await attach(cleanup, place as never)).attached.own).toBe(undefined);
    expect((await program.kill("SIGTERM")).code).toBe(0);
    expect(program.output).toContain("Stopped");
  });

  test("refuses a name that another node of the namespace has, and takes over that of a dead one", async () => {
    const [broker, store] = [new MemoryBroker(), new MemoryStore()];
    const over = () => {
      return { bus: cleanup.add(connectMemory(broker)), discovery: cleanup.add(new MemoryDiscovery({ store })) };
    };
    const first = over();
    const node = await startNode(cleanup, { over: first });
    expect(await failure(startNode(cleanup, { over: over() }))).toMatchObject({ code: Code.AlreadyExists });
    expect((await first.discovery.instances()).map(({ node }) => node)).toEqual(["node-a"]);
    const [record] = await first.discovery.instances();
    await node.stop();
    await first.discovery.register({ ...record!, instance: "dead", pid: 2 ** 22 + 1 });
    await startNode(cleanup, { over: over() });
    expect((await first.discovery.instances()).map(({ instance }) => instance)).not.toContain("dead");
  });
});
