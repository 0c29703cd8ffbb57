import { afterEach, describe, expect, test } from "bun:test";
import { inspect } from "node:util";
import { Code } from "@connectrpc/connect";
import { MemoryBroker } from "../../src/bus/mod.ts";
import { DataPlane, isRemoteTensor, RemoteTensor, TensorStore, type WayHandler } from "../../src/data/mod.ts";
import type { HttpWay } from "../../src/waybill/mod.ts";
import { waybillFromString } from "../../src/waybill/mod.ts";
import { busPlane, bytesTensor, Cleanup, failure, pattern, pause } from "./support.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A way that is taken as often as `turns` has entries: each gives bytes, or fails. */
function scripted(turns: (() => Uint8Array | Promise<Uint8Array>)[]): WayHandler<HttpWay> & { reads: number } {
  return {
    kind: "http",
    reads: 0,
    refusal: () => undefined,
    read() {
      return Promise.resolve(turns[this.reads++]!());
    },
  };
}

async function scriptedRemote(turns: (() => Uint8Array | Promise<Uint8Array>)[], length = 8) {
  const store = cleanup.add(new TensorStore({ node: "node-x", ways: [{ kind: "http", url: "http://node-x/v1/tensors" }] }));
  const handler = scripted(turns);
  const plane = cleanup.add(new DataPlane({ handlers: [handler] }));
  return { store, handler, plane, remote: plane.open(await store.put(bytesTensor(length))) };
}

describe("RemoteTensor", () => {
  test("says what the tensor is without fetching it", async () => {
    const { remote, handler } = await scriptedRemote([]);
    expect({ ...pick(remote) }).toEqual({
      dtype: "UINT8",
      shape: [8],
      byteLength: 8,
      byteSize: 8,
      memory: "cpu",
      device: 0,
      node: "node-x",
      way: undefined,
      released: false,
    });
    expect(isRemoteTensor(remote)).toBe(true);
    expect(isRemoteTensor(bytesTensor(1))).toBe(false);
    expect(handler.reads).toBe(0);
  });

  test("pulls once for all who ask", async () => {
    const gate = Promise.withResolvers<Uint8Array>();
    const { remote, handler } = await scriptedRemote([() => gate.promise]);
    const fetching = [remote.fetch(), remote.fetch({ timeoutMs: 5_000 }), remote.fetch()];
    gate.resolve(pattern(8));
    const tensors = await Promise.all(fetching);
    expect(new Set([...tensors, await remote.fetch()]).size).toBe(1);
    expect([handler.reads, remote.way]).toEqual([1, "http"]);
  });

  test("lets one who gives up leave alone, and ends the pull with the last", async () => {
    let signal: AbortSignal | undefined;
    const { plane, store } = await scriptedRemote([]);
    const handler: WayHandler<HttpWay> = {
      kind: "http",
      refusal: () => undefined,
      read: (request) =>
        new Promise((resolve) => {
          signal = request.signal;
          setTimeout(() => resolve(pattern(8)), 50);
        }),
    };
    const remote = cleanup.add(new DataPlane({ handlers: [handler] })).open(await store.put(bytesTensor(8)));
    const [a, b] = [new AbortController(), new AbortController()];
    const first = failure(remote.fetch({ signal: a.signal }));
    const second = remote.fetch({ signal: b.signal });
    await pause(5);
    a.abort();
    expect(await first).toMatchObject({ code: Code.Canceled });
    expect(signal?.aborted).toBe(false);
    expect((await second).bytes).toEqual(pattern(8));
    const other = cleanup.add(new DataPlane({ handlers: [handler] })).open(await store.put(bytesTensor(8)));
    const third = failure(other.fetch({ signal: b.signal }));
    await pause(5);
    b.abort();
    expect(await third).toMatchObject({ code: Code.Canceled });
    expect(signal?.aborted).toBe(true);
    expect((await other.fetch()).bytes).toEqual(pattern(8));
    await plane.close();
  });

  test("tries again after a failure, and says why it failed", async () => {
    const dead = () => Promise.reject(new Error("fetch failed", { cause: new Error("connection refused") }));
    const { remote } = await scriptedRemote([dead, () => pattern(7), () => pattern(8)]);
    const refused = await failure(remote.fetch());
    expect(refused).toMatchObject({ code: Code.Unavailable });
    expect(refused.message).toContain('Cannot fetch UINT8 [8] (8 bytes) on "node-x": http: fetch failed: connection refused');
    expect((await failure(remote.fetch())).message).toContain("http: 8 bytes must come, got 7");
    expect((await remote.fetch()).bytes).toEqual(pattern(8));
  });

  test("[L2] is released once, and keeps what was fetched", async () => {
    const { remote, store, plane } = await scriptedRemote([() => pattern(8)]);
    plane.addStore(store);
    const [fetched, left] = [remote, plane.open(await store.put(bytesTensor(8)))];
    const tensor = await fetched.fetch();
    expect(fetched.way).toBe("local");
    await Promise.all([fetched.release(), fetched.release(), fetched[Symbol.asyncDispose](), left.release()]);
    expect(store.describe()).toMatchObject({ leases: 0, usedBytes: 0 });
    expect(await fetched.fetch()).toBe(tensor);
    const works = [left.fetch(), left.read({ offset: 0, length: 1 }), left.share(), left.touch(), fetched.share()];
    for (const work of works) expect(await failure(work)).toMatchObject({ code: Code.FailedPrecondition });
  });

  test("releases without an error when the owner is gone", async () => {
    const broker = new MemoryBroker();
    const store = new TensorStore({ node: "nobody", ways: [{ kind: "bus", namespace: "test", node: "nobody" }] });
    const plane = busPlane(cleanup, broker);
    const remote = plane.open(await store.put(bytesTensor(8)));
    await store.close();
    await remote.release();
    await new DataPlane().open(remote.waybill).release();
  });

  test("is handed on with every right but to end the lease", async () => {
    const { remote, store, plane } = await scriptedRemote([]);
    plane.addStore(store);
    const forwarded = plane.open(await remote.descriptorForForwarding());
    expect(await remote.descriptorForForwarding()).toBe(await remote.descriptorForForwarding());
    await forwarded.release();
    expect(store.describe().leases).toBe(1);
    const shared = await plane.open(await remote.descriptorForForwarding()).share();
    await remote.release();
    expect((await shared.fetch()).bytes).toEqual(pattern(8));
    await shared.release();
    expect(store.describe().leases).toBe(0);
  });

  test("shows its secret to who asks for the descriptor, and to nobody else", async () => {
    const { remote, plane } = await scriptedRemote([]);
    const secret = btoa(String.fromCharCode(...remote.waybill.capability)).slice(0, 40);
    expect(inspect(remote)).toBe('RemoteTensor UINT8 [8] (8 bytes) on "node-x"');
    expect(`${remote}`).not.toContain(secret);
    expect(JSON.stringify(remote)).toContain(secret);
    for (const copy of [RemoteTensor.fromJSON(plane, remote.toJSON()), plane.open(remote.toDescriptorString())]) {
      expect(copy.waybill.capability).toEqual(remote.waybill.capability);
      expect(copy.waybill.ways).toEqual(remote.waybill.ways);
    }
    expect(() => RemoteTensor.fromString(plane, "wb1.xyz")).toThrow("Cannot decode a waybill");
    expect(() => plane.openJson({ node: 1 })).toThrow("Cannot decode a waybill");
    expect(waybillFromString(remote.toDescriptorString()).toString()).toBe(remote.toString());
  });
});

function pick({ dtype, shape, byteLength, byteSize, memory, device, node, way, released }: RemoteTensor) {
  return { dtype, shape, byteLength, byteSize, memory, device, node, way, released };
}
