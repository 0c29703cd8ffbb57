import { afterEach, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { DataPlane, TensorStore, type TensorStoreOptions } from "../../src/data/mod.ts";
import { serveTensors, type ServeTensorsOptions } from "../../src/data/server.ts";
import { badWaybills, bytesTensor, Cleanup, everyTensor, failure, pattern, same, until } from "./support.ts";

const MIB = 1024 * 1024;
const token = "a-token-of-some-length";
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function httpNode(serve: ServeTensorsOptions = {}, options: Partial<TensorStoreOptions> = {}) {
  const store = cleanup.add(new TensorStore({ node: "node-h", ...options }));
  const server = cleanup.add(await serveTensors(store, serve));
  return { store, server, collection: `${server.url}/v1/tensors` };
}

/** The runtime's fastest client, and `fetch`. */
function planes(): DataPlane[] {
  return [cleanup.add(new DataPlane()), cleanup.add(new DataPlane({ fetch: (input, init) => fetch(input, init) }))];
}

describe("a node's tensors over HTTP", () => {
  test("come back as they were put, of every dtype", async () => {
    const { store } = await httpNode();
    for (const plane of planes()) {
      for (const tensor of everyTensor()) {
        const remote = plane.open(await store.put(tensor));
        const fetched = await remote.fetch();
        expect(remote.way).toBe("http");
        expect([fetched.dtype, fetched.shape, fetched.bytes]).toEqual([tensor.dtype, tensor.shape, tensor.bytes]);
        await remote.release();
      }
    }
    expect(store.describe()).toMatchObject({ leases: 0, usedBytes: 0, leakedLeases: 0 });
  });

  test("are never served on a port that somebody has", async () => {
    const { server } = await httpNode();
    const taken = httpNode({ port: Number(new URL(server.url).port) });
    expect(await failure(taken)).toMatchObject({ code: Code.Unavailable });
  });

  test("are uploaded by who has the token", async () => {
    const { store, collection } = await httpNode({ acceptUploads: { token } });
    const [plane] = planes() as [DataPlane];
    for (const tensor of [...everyTensor(), bytesTensor(9 * MIB)]) {
      const remote = await plane.put({ url: collection, token }, tensor, { leaseMs: 60_000 });
      const fetched = await remote.fetch();
      expect([fetched.dtype, fetched.shape, same(fetched.bytes, tensor.bytes)]).toEqual([tensor.dtype, tensor.shape, true]);
      await remote.release();
    }
    expect(store.describe()).toMatchObject({ leases: 0, usedBytes: 0, uploads: 0 });
    const refused = plane.put({ url: collection, token: "another-token-of-some-length" }, bytesTensor(8));
    expect(await failure(refused)).toMatchObject({ code: Code.Unauthenticated });
    const closed = (await httpNode()).collection;
    expect(await failure(plane.put({ url: closed, token }, bytesTensor(8)))).toMatchObject({ code: Code.PermissionDenied });
  });

  test("are read in part, and whole when they are large", async () => {
    const { store } = await httpNode();
    const tensor = bytesTensor(20 * MIB + 3);
    const waybill = await store.put(tensor);
    for (const plane of planes()) {
      expect(same((await plane.fetch(waybill)).tensor.bytes, tensor.bytes)).toBe(true);
      for (const [offset, length] of [[0, 1], [tensor.byteLength - 1, 1], [5, 10 * MIB], [7, 0]] as const) {
        const { bytes } = await plane.read(waybill, { offset, length });
        expect(same(bytes, tensor.bytes.subarray(offset, offset + length))).toBe(true);
      }
    }
  });

  test("are shared, renewed and released without a bus", async () => {
    const { store } = await httpNode({}, { leaseMs: 5_000 });
    const [plane] = planes() as [DataPlane];
    const first = plane.open(await store.put(bytesTensor(8)));
    const second = await first.share({ leaseMs: 60_000 });
    expect(await first.touch({ leaseMs: 120_000 })).toBeGreaterThan(Date.now() + 100_000);
    await Promise.all([first.release(), first.release()]);
    expect(store.describe()).toMatchObject({ leases: 1, usedBytes: 8 });
    expect((await second.fetch()).bytes).toEqual(pattern(8));
    await second.release();
    expect(store.describe()).toMatchObject({ leases: 0, usedBytes: 0, leakedLeases: 0 });
  });

  test("[DP1] refuse every bad capability and reference with one answer", async () => {
    const { store } = await httpNode();
    const other = await httpNode();
    const good = await store.put(bytesTensor(8));
    const url = (good.ways[0] as { url: string }).url;
    const bad = badWaybills(good, await other.store.put(bytesTensor(8))).map((waybill) =>
      waybill.with({ ways: [{ kind: "http", url: url.replace(/[^/]+$/, "") + base64url(waybill.reference) }] })
    );
    const { message } = await failure(store.get(bad[0]!));
    for (const plane of planes()) {
      for (const waybill of bad) {
        const errors = [plane.fetch(waybill), plane.share(waybill), plane.touch(waybill)].map(failure);
        for (const error of await Promise.all(errors)) expect(error).toMatchObject({ code: Code.PermissionDenied, message });
        await plane.release(waybill);
      }
      expect((await plane.fetch(good)).tensor.bytes).toEqual(pattern(8));
    }
    const answers = await Promise.all([
      fetch(url),
      fetch(url, { headers: { authorization: "Bearer x" } }),
      fetch(`${url.replace(/[^/]+$/, "")}nonsense`, { headers: { authorization: `Bearer ${base64url(good.capability)}` } }),
    ]);
    const bodies = await Promise.all(answers.map((answer) => answer.text()));
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(new Set(bodies).size).toBe(1);
    expect(JSON.parse(bodies[0]!)).toMatchObject({ code: "permission_denied" });
  });

  test("end a fetch that is given up", async () => {
    const { store } = await httpNode();
    const waybill = await store.put(bytesTensor(200 * MIB));
    for (const plane of planes()) {
      const controller = new AbortController();
      const fetching = failure(plane.fetch(waybill, { signal: controller.signal }));
      setTimeout(() => controller.abort(), 20);
      expect(await fetching).toMatchObject({ code: Code.Canceled });
      expect(await failure(plane.fetch(waybill, { timeoutMs: 10 }))).toMatchObject({ code: Code.DeadlineExceeded });
    }
  });

  test("[L5] stay bounded while a reader does not read", async () => {
    const { store } = await httpNode({}, { leaseMs: 200 });
    const waybill = await store.put(bytesTensor(100 * MIB));
    const { url } = waybill.ways[0] as { url: string };
    const answer = await fetch(url, { headers: { authorization: `Bearer ${base64url(waybill.capability)}` } });
    await until("its lease ends", () => store.describe().leases === 0);
    // The body ends short: never with wrong bytes.
    let received = 0;
    try {
      for await (const piece of answer.body!) received += piece.length;
    } catch {
      // Most clients notice.
    }
    expect(received).toBeLessThan(100 * MIB);
  });

  test("free an upload that its sender leaves", async () => {
    const { store, collection } = await httpNode({ acceptUploads: { token } }, { uploadIdleMs: 100 });
    const controller = new AbortController();
    const body = new ReadableStream({ start: (sender) => sender.enqueue(pattern(1000)) });
    const sending = fetch(`${collection}?dtype=UINT8&shape=${MIB}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}` },
      body,
      signal: controller.signal,
      duplex: "half",
    } as RequestInit).then((answer) => answer.status, () => 0);
    await until("the upload begins", () => store.describe().uploads === 1);
    expect(store.describe().usedBytes).toBe(MIB);
    await until("it is given up", () => store.describe().uploads === 0);
    expect(store.describe().usedBytes).toBe(0);
    controller.abort();
    await sending;
  });
});

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/=+$/, "").replaceAll("+", "-").replaceAll("/", "_");
}
