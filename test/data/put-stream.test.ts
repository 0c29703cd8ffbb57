import { afterEach, describe, expect, test } from "bun:test";
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { NodeService } from "../../gen/waybill/v1/node_pb.ts";
import { nodeService, TensorStore } from "../../src/data/mod.ts";
import { waybillFromMessage } from "../../src/waybill/mod.ts";
import { Cleanup, failure, pattern } from "./support.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

type Part = { case: "start"; value: { dtype: string; shape: bigint[]; byteSize: bigint } } | {
  case: "data";
  value: Uint8Array;
};

const start = (byteSize: number): Part => ({
  case: "start",
  value: { dtype: "UINT8", shape: [BigInt(byteSize)], byteSize: BigInt(byteSize) },
});
const data = (value: Uint8Array): Part => ({ case: "data", value });

function node(options: { uploadIdleMs?: number } = {}) {
  const store = cleanup.add(new TensorStore({ node: "a", ...options }));
  const transport = createRouterTransport((router) => void router.service(NodeService, nodeService(store)));
  const client = createClient(NodeService, transport);
  const put = async (...parts: Part[]) =>
    await client.putStream((async function* () {
      for (const part of parts) yield await Promise.resolve({ part });
    })());
  return { store, client, put };
}

describe("a tensor that is sent as one stream", () => {
  test("is in the store once its last byte is there", async () => {
    const { store, put } = node();
    const bytes = pattern(1000);
    for (const parts of [[data(bytes)], [data(bytes.subarray(0, 1)), data(new Uint8Array(0)), data(bytes.subarray(1))]]) {
      const { descriptor } = await put(start(1000), ...parts);
      const { tensor } = await store.get(waybillFromMessage(descriptor!));
      expect([tensor.dtype, tensor.shape, tensor.bytes]).toEqual(["UINT8", [1000], bytes]);
    }
    expect((await put(start(0))).descriptor?.byteSize).toBe(0n);
    expect(store.describe()).toMatchObject({ leases: 3, uploads: 0 });
  });

  test("leaves nothing behind when it is too short, too long, or begins or goes on with something else", async () => {
    const { store, put } = node();
    const bad: Part[][] = [
      [],
      [data(new Uint8Array(4))],
      [start(4)],
      [start(4), data(new Uint8Array(3))],
      [start(4), data(new Uint8Array(5))],
      [start(4), data(new Uint8Array(4)), data(new Uint8Array(1))],
      [start(4), start(4)],
    ];
    for (const parts of bad) expect(await failure(put(...parts))).toMatchObject({ code: Code.InvalidArgument });
    expect(store.describe()).toMatchObject({ leases: 0, usedBytes: 0, uploads: 0 });
  });

  test("is given up when nothing comes any more", async () => {
    const { store, client } = node({ uploadIdleMs: 50 });
    const never = Promise.withResolvers<void>();
    const stalled = client.putStream((async function* () {
      yield { part: start(4) };
      await never.promise;
    })());
    expect(await failure(stalled)).toMatchObject({ code: Code.DeadlineExceeded });
    expect(store.describe()).toMatchObject({ usedBytes: 0, uploads: 0 });
    never.resolve();
  });
});
