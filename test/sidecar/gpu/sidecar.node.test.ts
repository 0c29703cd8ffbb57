// A sidecar runs on Node alone.
import { afterAll, afterEach, beforeAll, describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import process from "node:process";
import { Code } from "@connectrpc/connect";
import { fakeCuda } from "../../../scripts/lib/native-build.ts";
import { DataPlane } from "../../../src/data/data-plane.ts";
import { loadNative } from "../../../src/native/mod.ts";
import type { Waybill } from "../../../src/waybill/descriptor.ts";
import { Cleanup, failure } from "../../data/support.ts";
import { testUnless } from "../../support/skip.ts";
import { local, serviceOf, startNode } from "../support/node.ts";

const MIB = 2 ** 20;
const missing = loadNative().unavailable ?? (existsSync(fakeCuda) ? undefined : `there is no ${fakeCuda}`);
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A tensor of 1 MiB on a GPU of a node. */
async function onGpu(node: Awaited<ReturnType<typeof startNode>>, device: number, bytes: Uint8Array): Promise<Waybill> {
  const reservation = await node.store.reserve("UINT8", [bytes.length], { memory: "gpu", device });
  reservation.block.write!(0, bytes);
  return await node.store.commit(reservation);
}

describe("a sidecar with GPUs", () => {
  beforeAll(() => void (process.env.WAYBILL_LIBCUDA = fakeCuda));
  afterAll(() => void (delete process.env.WAYBILL_LIBCUDA));

  testUnless(missing, "keeps tensors there, and gives them by way of the host to those who cannot reach a GPU", async () => {
    const node = await startNode(cleanup, { gpuBytes: 4 * MIB, ucx: {} });
    const bytes = Uint8Array.from({ length: MIB }, (_, index) => index * 7);
    const waybill = await onGpu(node, 1, bytes);
    expect([waybill.memory, waybill.device]).toEqual(["gpu", 1]);
    // UCX is there, and cannot read a GPU without CUDA's transports; nobody maps one.
    expect(waybill.ways.map(({ kind }) => kind)).toEqual(["http"]);
    const reader = new DataPlane();
    cleanup.defer(() => reader.close());
    const remote = reader.open(waybill);
    expect((await remote.fetch()).bytes).toEqual(bytes);
    const { arenas, gpus, native } = node.describe();
    expect(gpus.map(({ device, name }) => [device, name])).toEqual([[0, "Fake GPU 0"], [1, "Fake GPU 1"]]);
    expect(arenas.slice(1).map(({ memory, device, usedBytes }) => [memory, device, usedBytes])).toEqual([["gpu", 0, 0], [
      "gpu",
      1,
      MIB,
    ]]);
    expect(native.find(({ name }) => name === "cuda")).toMatchObject({ available: true, version: "12.9" });
    expect((await serviceOf(node).describe({}, await local(node))).gpus).toHaveLength(2);
    await remote.release();
    expect(node.describe().arenas[2]?.usedBytes).toBe(0);
  });

  testUnless(missing, "says which GPU is not there or has no room, and does not start with more than there is", async () => {
    const node = await startNode(cleanup, { gpuBytes: 2 * MIB });
    expect(await failure(onGpu(node, 2, new Uint8Array(8)))).toMatchObject({ code: Code.FailedPrecondition });
    await onGpu(node, 0, new Uint8Array(2 * MIB));
    const impatient = node.store.reserve("UINT8", [8], { memory: "gpu", signal: AbortSignal.timeout(50) });
    expect(await failure(impatient)).toMatchObject({ code: Code.DeadlineExceeded });
    expect(await failure(startNode(cleanup, { node: "node-b", gpuBytes: 65 * MIB }))).toMatchObject({
      code: Code.ResourceExhausted,
      rawMessage: 'Cannot take 68157440 bytes of GPU 0 ("Fake GPU 0"): it must succeed, got CUDA_ERROR_OUT_OF_MEMORY',
    });
  });

  testUnless(missing, "takes no memory of them unless it is told to", async () => {
    const node = await startNode(cleanup);
    expect(node.describe().arenas).toHaveLength(1);
    expect(node.describe().gpus).toHaveLength(2);
    expect(await failure(onGpu(node, 0, new Uint8Array(8)))).toMatchObject({ code: Code.FailedPrecondition });
  });
});
