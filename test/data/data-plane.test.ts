import { base64Encode } from "@bufbuild/protobuf/wire";
import { afterEach, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { connectMemory, MemoryBroker } from "../../src/bus/mod.ts";
import { DataPlane, TensorStore } from "../../src/data/mod.ts";
import { serveTensors } from "../../src/data/server.ts";
import { BusNodeClients } from "../../src/data/node-clients.ts";
import { Caller } from "../../src/rpc/caller.ts";
import type { Way } from "../../src/waybill/mod.ts";
import { badWaybills, busNode, busPlane, bytesTensor, Cleanup, failure, namespace, pattern, until } from "./support.ts";

const base64Path = (reference: Uint8Array) => `/${base64Encode(reference, "url")}`;
const deadHttp: Way = { kind: "http", url: "http://127.0.0.1:9/v1/tensors" };
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("DataPlane", () => {
  test("reads a tensor of its own process in place", async () => {
    const store = cleanup.add(new TensorStore({ node: "node-a", ways: [deadHttp] }));
    const plane = cleanup.add(new DataPlane({ stores: [store] }));
    const tensor = bytesTensor(100);
    const waybill = await store.put(tensor);
    const fetched = await plane.fetch(waybill);
    expect([fetched.way, fetched.tensor.bytes.buffer === tensor.bytes.buffer]).toEqual(["local", true]);
    expect((await plane.read(waybill, { offset: 10, length: 5 })).bytes).toEqual(pattern(100).subarray(10, 15));
    const put = await plane.put({ node: "node-a" }, tensor);
    expect(store.describe().leases).toBe(2);
    const { message } = await failure(store.get(badWaybills(waybill, put.waybill)[0]!));
    for (const bad of badWaybills(waybill, put.waybill)) {
      const denied = await failure(plane.fetch(bad, { via: ["local"] }));
      expect(denied).toMatchObject({ code: Code.PermissionDenied, message });
    }
    plane.removeStore(store);
    expect(await failure(plane.fetch(waybill))).toMatchObject({ code: Code.Unavailable });
  });

  test("takes the ways in the owner's order, and the next where one is dead", async () => {
    const broker = new MemoryBroker();
    const store = busNode(cleanup, broker);
    const server = cleanup.add(await serveTensors(store));
    const plane = busPlane(cleanup, broker);
    const waybill = await store.put(bytesTensor(8));
    expect(waybill.ways.map(({ kind }) => kind)).toEqual(["http", "bus"]);
    expect((await plane.fetch(waybill)).way).toBe("http");
    expect((await plane.fetch(waybill, { via: ["bus"] })).way).toBe("bus");
    const fast: Way[] = [
      { kind: "shm", host: "h", segment: "s", offset: 0, generation: 1n },
      { kind: "ucx", address: "127.0.0.1:1", version: "1.22" },
    ];
    expect((await plane.fetch(waybill.with({ ways: [...fast, ...waybill.ways] }))).way).toBe("http");
    await server.close();
    const fetched = await plane.fetch(waybill);
    expect([fetched.way, fetched.tensor.bytes]).toEqual(["bus", pattern(8)]);
    expect((await store.put(bytesTensor(1))).ways.map(({ kind }) => kind)).toEqual(["bus"]);
  });

  test("tells once of a way that failed, and counts each time", async () => {
    const broker = new MemoryBroker();
    const store = busNode(cleanup, broker, { ways: [deadHttp, { kind: "bus", namespace, node: "node-a" }] });
    const warnings: Record<string, unknown>[] = [];
    const logger = { debug() {}, info() {}, error() {}, warn: (_: string, fields = {}) => void warnings.push(fields) };
    const failed: unknown[] = [];
    const plane = busPlane(cleanup, broker, { logger, observers: [{ wayFailed: (facts) => void failed.push(facts) }] });
    const waybill = await store.put(bytesTensor(8));
    for (let i = 0; i < 3; i++) expect((await plane.fetch(waybill)).way).toBe("bus");
    expect(failed).toEqual(Array.from({ length: 3 }, () => ({ node: "node-a", way: "http" })));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ node: "node-a", way: "http" });
    expect(store.describe().servedBytes).toEqual({ bus: 24 });
    // Asked for by name it is the only one, and a refusal is no failure of the way.
    expect(await failure(plane.fetch(waybill, { via: ["http"] }))).toMatchObject({ code: Code.Unavailable });
    await store.release(waybill);
    expect(await failure(plane.fetch(waybill, { via: ["bus"] }))).toMatchObject({ code: Code.PermissionDenied });
    expect([failed.length, warnings.length]).toEqual([4, 1]);
  });

  test("names each way's reason when none works, and no secret", async () => {
    const store = cleanup.add(new TensorStore({ node: "node-a" }));
    const broker = new MemoryBroker();
    const plane = busPlane(cleanup, broker);
    const waybill = (await store.put(bytesTensor(8))).with({
      ways: [
        { kind: "ucx", address: "127.0.0.1:1", version: "1.22" },
        deadHttp,
        { kind: "bus", namespace: "other", node: "node-a" },
        { kind: "bus", namespace, node: "node-a" },
      ],
    });
    const error = await failure(plane.fetch(waybill));
    expect(error).toMatchObject({ code: Code.Unavailable });
    expect(error.message).toMatch(/ucx: not supported here; http: .+; bus: another namespace; bus: .+/);
    expect(error.message).not.toContain(btoa(String.fromCharCode(...waybill.capability)).slice(0, 20));
    const alone = new DataPlane();
    expect((await failure(alone.fetch(waybill.with({ ways: [] })))).message).toContain("it names no way that may be used");
    const careful = new DataPlane({ allowUrl: ({ hostname }) => hostname !== "127.0.0.1" });
    const own: Way = { kind: "http", url: `${deadHttp.url}${base64Path(waybill.reference)}` };
    const refused = await failure(careful.fetch(waybill.with({ ways: [own] })));
    expect(refused.message).toContain("http: its URL is not allowed here");
    expect(await failure(careful.share(waybill.with({ ways: [own] })))).toMatchObject({ code: Code.Unavailable });
  });

  test("asks no URL but the tensor's own, whatever a descriptor says", async () => {
    const { serveHttp } = await import("../../src/data/server.ts");
    let asked = 0;
    const server = cleanup.add(await serveHttp({ fetch: () => (asked++, new Response("secret!!")) }));
    const waybill = await cleanup.add(new TensorStore({ node: "n" })).put(bytesTensor(8));
    const other = base64Path(new Uint8Array(16));
    for (
      const path of [
        "/latest/meta-data",
        "/v1/tensors",
        `/v1/tensors${other}`,
        `/v1/tensors${base64Path(waybill.reference)}?x=1`,
      ]
    ) {
      const forged = waybill.with({ ways: [{ kind: "http", url: `${server.url}${path}` }] });
      const plane = cleanup.add(new DataPlane());
      for (const work of [plane.fetch(forged), plane.share(forged)]) {
        expect(await failure(work)).toMatchObject({ code: Code.Unavailable });
      }
    }
    expect(asked).toBe(0);
  });

  test("follows no redirection", async () => {
    const { serveHttp } = await import("../../src/data/server.ts");
    let asked = 0;
    const target = cleanup.add(await serveHttp({ fetch: () => (asked++, new Response("x".repeat(8))) }));
    const fetch = () => Response.redirect(`${target.url}/elsewhere`, 302);
    const server = cleanup.add(await serveHttp({ fetch }));
    const store = cleanup.add(new TensorStore({ node: "n", ways: [{ kind: "http", url: `${server.url}/v1/tensors` }] }));
    const waybill = await store.put(bytesTensor(8));
    for (const plane of [new DataPlane(), new DataPlane({ fetch: (input, init) => globalThis.fetch(input, init) })]) {
      cleanup.add(plane);
      for (const work of [plane.fetch(waybill), plane.share(waybill)]) {
        expect(await failure(work)).toMatchObject({ code: Code.Unavailable });
      }
    }
    expect(asked).toBe(0);
  });

  test("takes nothing but the bytes that were promised", async () => {
    const { serveHttp } = await import("../../src/data/server.ts");
    const bodies: BodyInit[] = ["short", "far too long", new Blob(["1234567"]).stream(), new Blob(["123456789"]).stream()];
    for (
      const make of [() => new DataPlane(), () => new DataPlane({ fetch: (input, init) => globalThis.fetch(input, init) })]
    ) {
      const plane = cleanup.add(make());
      let turn = 0;
      const fetch = () => new Response(turn < bodies.length ? cloned(bodies, turn++) : "12345678");
      const server = cleanup.add(await serveHttp({ fetch }));
      const store = cleanup.add(new TensorStore({ node: "n", ways: [{ kind: "http", url: `${server.url}/v1/tensors` }] }));
      const waybill = await store.put(bytesTensor(8));
      for (const _ of bodies) {
        const error = await failure(plane.fetch(waybill));
        expect([error.message, error.message.includes("8 bytes must come")]).toEqual([error.message, true]);
      }
      expect(new TextDecoder().decode((await plane.fetch(waybill)).tensor.bytes)).toBe("12345678");
    }
  });

  test("gives up a way that is silent for the next", async () => {
    const { serveHttp } = await import("../../src/data/server.ts");
    const broker = new MemoryBroker();
    const store = busNode(cleanup, broker);
    const silent = cleanup.add(await serveHttp({ fetch: () => new Promise(() => {}) }));
    cleanup.defer(() => silent.close({ drainMs: 0 }));
    store.advertise([{ kind: "http", url: `${silent.url}/v1/tensors` }, ...store.ways]);
    const waybill = await store.put(bytesTensor(8));
    for (const fetch of [undefined, (input: string | URL | Request, init?: RequestInit) => globalThis.fetch(input, init)]) {
      const plane = busPlane(cleanup, broker, { stallMs: 100, fetch });
      expect((await plane.fetch(waybill)).way).toBe("bus");
    }
  });

  test("refuses a tensor that is too large before it takes memory", async () => {
    const store = cleanup.add(new TensorStore({ node: "node-a" }));
    const plane = cleanup.add(new DataPlane({ stores: [store], maxFetchBytes: 100 }));
    const waybill = await store.put(bytesTensor(101));
    const error = await failure(plane.fetch(waybill));
    expect(error).toMatchObject({ code: Code.ResourceExhausted });
    expect(error.message).toContain("maxFetchBytes is 100, got 101");
    expect((await plane.read(waybill, { offset: 1, length: 100 })).bytes.length).toBe(100);
    const huge = waybill.with({ dtype: "FP64", shape: [2 ** 40], byteSize: 2 ** 43 });
    expect(await failure(new DataPlane().fetch(huge))).toMatchObject({ code: Code.ResourceExhausted });
  });

  test("renews and releases many leases with few messages", async () => {
    const broker = new MemoryBroker();
    const store = busNode(cleanup, broker);
    const plane = busPlane(cleanup, broker);
    const waybills = await Promise.all(Array.from({ length: 500 }, () => store.put(bytesTensor(10), { leaseMs: 10_000 })));
    let messages = 0;
    const watcher = cleanup.add(connectMemory(broker));
    watcher.subscribe(`wb.${namespace}.n.>`, () => void messages++);
    const ends = await plane.touch(waybills, { leaseMs: 600_000 });
    expect(ends).toBeGreaterThan(Date.now() + 500_000);
    expect(await plane.touch([])).toBe(0);
    await Promise.all(waybills.map((waybill) => plane.release(waybill)));
    await plane.flush();
    expect(store.describe()).toMatchObject({ leases: 0, usedBytes: 0 });
    expect(messages).toBeLessThan(6);
  });

  test("puts over HTTP with a token, and over the bus where HTTP does not work", async () => {
    const token = "a-token-of-some-length";
    let sent = 0;
    const broker = new MemoryBroker({ deliver: (_, payload) => ((sent += payload.length), true) });
    const store = busNode(cleanup, broker);
    const server = await serveTensors(store, { acceptUploads: { token } });
    const plane = busPlane(cleanup, broker);
    const target = { node: store.node, token };
    expect(await (await plane.put(target, bytesTensor(100_000))).read({ offset: 0, length: 9 })).toEqual(pattern(9));
    expect(sent).toBeLessThan(1_000);
    expect(await failure(plane.put({ ...target, token: "wrong" }, bytesTensor(8)))).toMatchObject({
      code: Code.Unauthenticated,
    });
    await server.close();
    store.advertise([deadHttp, ...store.ways]);
    await plane.put(target, bytesTensor(100_000));
    expect(sent).toBeGreaterThan(100_000);
    expect(store.describe().leases).toBe(2);
  });

  test("does not ask an owner to end a lease that is not ours to end", async () => {
    let messages = 0;
    const broker = new MemoryBroker({ deliver: (subject) => (subject.includes(".n.") && messages++, true) });
    const store = busNode(cleanup, broker);
    const plane = busPlane(cleanup, broker);
    const forwarded = await plane.open(await store.put(bytesTensor(8))).descriptorForForwarding();
    await plane.release(forwarded);
    expect(messages).toBe(0);
    expect((await plane.fetch(forwarded)).tensor.bytes).toEqual(pattern(8));
  });

  test("refuses to put where nobody is", async () => {
    const plane = busPlane(cleanup, new MemoryBroker());
    expect(await failure(plane.put({ node: "nobody" }, bytesTensor(8)))).toMatchObject({ code: Code.Unavailable });
    const alone = new DataPlane();
    expect(await failure(alone.put({ node: "nobody" }, bytesTensor(8)))).toMatchObject({ code: Code.FailedPrecondition });
  });
});

describe("uploads over the bus", () => {
  function uploader(options = {}) {
    const broker = new MemoryBroker();
    const store = busNode(cleanup, broker, options);
    const caller = cleanup.add(new Caller(cleanup.add(connectMemory(broker)), { namespace }));
    return { broker, store, client: new BusNodeClients(caller).of(store.node) };
  }
  const head = { dtype: "UINT8", shape: [100n], byteSize: 100n };
  const bytes = pattern(100);

  test("take pieces in any order, and twice", async () => {
    const { store, client } = uploader();
    const { uploadId } = await client.put({ ...head, offset: 90n, data: bytes.subarray(90) });
    await client.put({ uploadId, offset: 0n, data: bytes.subarray(0, 10) });
    await client.put({ uploadId, offset: 0n, data: bytes.subarray(0, 10) });
    const middle = await client.put({ uploadId, offset: 5n, data: bytes.subarray(5, 60) });
    expect([middle.received, middle.descriptor]).toEqual([70n, undefined]);
    const last = await client.put({ uploadId, offset: 60n, data: bytes.subarray(60, 90) });
    const { reference, capability } = last.descriptor!;
    expect((await store.get({ reference, capability })).tensor.bytes).toEqual(bytes);
    expect(await failure(client.put({ uploadId, data: bytes }))).toMatchObject({ code: Code.NotFound });
  });

  test("refuse what does not fit, and keep nothing of it", async () => {
    const { store, client } = uploader();
    expect(await failure(client.put({ ...head, offset: 1n, data: bytes }))).toMatchObject({ code: Code.OutOfRange });
    expect(await failure(client.put({ ...head, byteSize: 99n }))).toMatchObject({ code: Code.InvalidArgument });
    expect(await failure(client.put({ ...head, dtype: "X" }))).toMatchObject({ code: Code.InvalidArgument });
    expect(await failure(client.put({ ...head, shape: [-1n] }))).toMatchObject({ code: Code.InvalidArgument });
    const cut = { dtype: "BYTES", shape: [1n], byteSize: 5n, data: new Uint8Array([9, 0, 0, 0, 1]) };
    expect(await failure(client.put(cut))).toMatchObject({ code: Code.InvalidArgument });
    expect(store.describe()).toMatchObject({ usedBytes: 0, uploads: 0, leases: 0 });
  });

  test("are bounded in number, bytes and silence", async () => {
    const { store, client } = uploader({
      budgetBytes: 1_000,
      maxUploads: 3,
      maxUploadBytes: 250,
      uploadIdleMs: 150,
      putWaitMs: 50,
    });
    const ids = [(await client.put(head)).uploadId, (await client.put(head)).uploadId];
    expect(store.describe()).toMatchObject({ usedBytes: 200, uploads: 2 });
    expect(await failure(client.put(head))).toMatchObject({ code: Code.ResourceExhausted });
    await client.put({ dtype: "UINT8", shape: [1n], byteSize: 1n });
    const tooMany = { dtype: "UINT8", shape: [1n], byteSize: 1n };
    expect(await failure(client.put(tooMany))).toMatchObject({ code: Code.ResourceExhausted });
    await until("the abandoned ones are freed", () => store.describe().uploads === 0);
    expect(store.describe().usedBytes).toBe(0);
    expect(await failure(client.put({ uploadId: ids[0], data: bytes }))).toMatchObject({ code: Code.NotFound });
    expect((await client.put({ ...head, data: bytes })).descriptor?.byteSize).toBe(100n);
  });

  test("end with their store", async () => {
    const { store, client } = uploader();
    const { uploadId } = await client.put(head);
    await store.close();
    expect(store.describe()).toMatchObject({ usedBytes: 0, uploads: 0 });
    expect(await failure(client.put({ uploadId, data: bytes }))).toMatchObject({ code: Code.NotFound });
    expect(await failure(client.put(head))).toMatchObject({ code: Code.Unavailable });
  });

  test("of a sender that gives up are freed", async () => {
    const controller = new AbortController();
    let sent = 0;
    const deliver = (_: string, payload: Uint8Array) => {
      sent += payload.length;
      if (sent > 5_000_000) controller.abort();
      return true;
    };
    const broker = new MemoryBroker({ deliver });
    const store = busNode(cleanup, broker, { uploadIdleMs: 100 });
    const plane = busPlane(cleanup, broker);
    const putting = plane.put({ node: store.node }, bytesTensor(20_000_000), { signal: controller.signal });
    expect(await failure(putting)).toMatchObject({ code: Code.Canceled });
    expect(store.describe()).toMatchObject({ usedBytes: 20_000_000, uploads: 1 });
    await until("it is freed", () => store.describe().usedBytes === 0);
    expect(sent).toBeLessThan(20_000_000);
  });

  test("tell what the node is", async () => {
    const { store, client } = uploader();
    await store.put(bytesTensor(10));
    const { node, runtime, budgetBytes, usedBytes, leases, ways } = await client.describe({});
    expect([node, budgetBytes, usedBytes, leases, ways.length]).toEqual([store.node, 2n ** 30n, 10n, 1, 1]);
    expect(runtime).toMatch(/Node|Bun|Deno/);
  });
});

/** A stream can be read once. */
function cloned(bodies: BodyInit[], at: number): BodyInit {
  const body = bodies[at]!;
  if (!(body instanceof ReadableStream)) return body;
  const [now, later] = body.tee();
  bodies[at] = later;
  return now;
}
