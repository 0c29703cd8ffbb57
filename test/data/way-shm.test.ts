import { afterEach, describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { DataPlane, TensorStore } from "../../src/data/mod.ts";
import { Lending } from "../../src/data/lent.ts";
import { type MemoryNode, pulledHandler, shmHandler } from "../../src/data/way-shm.ts";
import type { Waybill } from "../../src/waybill/mod.ts";
import { bytesTensor, Cleanup, pattern, same } from "./support.ts";

/** A node whose memory is this process's, and the loans on it. */
class OwnMemory implements MemoryNode {
  readonly node: string;
  readonly host = "host-a";
  unmappable: string | undefined;
  lent = 0;
  pulled = 0;
  readonly #bytes: Uint8Array;
  readonly #lending = new Lending();

  constructor(node: string, bytes: Uint8Array) {
    this.node = node;
    this.#bytes = bytes;
  }

  read() {
    return this.#lend();
  }

  pull() {
    this.pulled++;
    return this.#lend();
  }

  #lend() {
    this.lent++;
    return Promise.resolve(this.#lending.lend(this.#bytes, false, () => true, () => this.lent--));
  }
}

const ucx = { kind: "ucx", address: "10.0.0.1:9000", version: "1.22" } as const;

describe("memory of the process's own node", () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function world(node = "node-a") {
    const memory = new OwnMemory("node-a", pattern(100));
    const plane = cleanup.add(new DataPlane());
    plane.addHandler(shmHandler(() => memory));
    plane.addHandler(pulledHandler(() => memory));
    const store = cleanup.add(new TensorStore({ node }));
    const shm = { kind: "shm", host: "host-a", segment: "s", offset: 0, generation: 1n } as const;
    const waybill = (await store.put(bytesTensor(100))).with({ ways: [shm, ucx] });
    return { memory, plane, store, waybill };
  }

  async function failure(plane: DataPlane, waybill: Waybill): Promise<string> {
    try {
      await plane.open(waybill).fetch();
    } catch (error) {
      return ConnectError.from(error).message;
    }
    throw new Error("It must fail");
  }

  test("a tensor is read where it is, and its memory is given back with its release", async () => {
    const { memory, plane, store, waybill } = await world();
    plane.addNear(store);
    const remote = plane.open(waybill);
    const tensor = await remote.fetch();
    expect(same(tensor.bytes, pattern(100))).toBe(true);
    expect([remote.way, memory.lent]).toEqual(["shm", 1]);
    await remote.release();
    expect([memory.lent, store.describe().leases]).toEqual([0, 0]);
    const error = await remote.fetch().catch((error) => ConnectError.from(error));
    expect(error).toMatchObject({ code: Code.FailedPrecondition });
  });

  test("memory that was let go is asked for anew by the next fetch", async () => {
    const { memory, plane, waybill } = await world();
    const remote = plane.open(waybill);
    await remote.fetch();
    remote.letGo();
    remote.letGo();
    expect(memory.lent).toBe(0);
    expect((await remote.fetch()).byteLength).toBe(100);
    expect(memory.lent).toBe(1);
  });

  test("a part is copied, and nothing stays lent for it", async () => {
    const { memory, plane, waybill } = await world();
    const bytes = await plane.open(waybill).read({ offset: 10, length: 20 });
    expect(same(bytes, pattern(100).subarray(10, 30))).toBe(true);
    expect(memory.lent).toBe(0);
  });

  test("another node's tensor is fetched by the own node, and read there", async () => {
    const { memory, plane, waybill } = await world("node-b");
    const remote = plane.open(waybill);
    expect(same((await remote.fetch()).bytes, pattern(100))).toBe(true);
    expect([remote.way, memory.pulled, memory.lent]).toEqual(["ucx", 1, 1]);
    remote.letGo();
    expect(memory.lent).toBe(0);
  });

  test("what cannot be mapped says why, and the next way is tried", async () => {
    const { memory, plane, waybill } = await world();
    memory.unmappable = "no addon";
    expect(await failure(plane, waybill)).toContain("shm: no addon; ucx: its own node's");
    const { plane: other, waybill: foreign } = await world("node-b");
    expect(await failure(other, foreign.with({ ways: [{ ...foreign.ways[0]!, host: "host-b" } as never] }))).toContain(
      "shm: another host",
    );
    expect(await failure(other, foreign.with({ ways: [foreign.ways[0]!] }))).toContain("shm: another node's memory");
  });

  test("bytes of another length than the tensor's are given back, and are no tensor", async () => {
    const { memory, plane, waybill } = await world();
    const larger = waybill.with({ shape: [101], byteSize: 101, ways: [waybill.ways[0]!] });
    expect(await failure(plane, larger)).toContain("shm: 101 bytes must come, got 100");
    expect(memory.lent).toBe(0);
  });
});
