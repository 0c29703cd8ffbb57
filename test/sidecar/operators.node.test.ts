// Node alone: a sidecar is a program for Node.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, Code, connect, errorDetail, infoOf, operator, type RemoteTensor, Tensor } from "../../mod.ts";
import { type Sidecar, startSidecar } from "../../src/sidecar/mod.ts";
import { type Broker, launchNatsServer } from "../../src/testing/mod.ts";
import { startWorker, type Worker } from "../../src/worker/mod.ts";
import { until } from "../support/program.ts";
import { aborted, failure } from "../support/waiting.ts";

const token = "a-token-of-the-tests";
let started = 0;
let stopped = 0;

const operators = [
  operator({ name: "double", execute: ({ inputs: { x } }) => ({ y: Float32Array.from(x!.toNumbers(), (one) => 2 * one) }) }),
  operator({ name: "large", inline: false, execute: () => ({ x: new Uint8Array(3_000_000).fill(7) }) }),
  operator({
    name: "wait",
    execute: async (_request, { signal }) => {
      started++;
      await aborted(signal).catch(() => {});
      stopped++;
      return {};
    },
  }),
  operator({
    name: "relay",
    execute: async (_request, context) => await context.delegate("double"),
  }),
];

let broker: Broker;
let folder: string;
let sidecar: Sidecar;
let worker: Worker;

beforeAll(async () => {
  broker = await launchNatsServer();
  folder = await mkdtemp(join(tmpdir(), "waybill-operators-"));
  sidecar = await startSidecar({
    node: "near",
    servers: broker.tcpUrl,
    socketPath: join(folder, "node.sock"),
    tokens: [token],
    operatorWaitMs: 500,
    // Shorter than the calls that are made: a call that waits is not one that stalls.
    limits: { idleTimeoutMs: 300, requestTimeoutMs: 300 },
  });
  worker = await startWorker({ operators, servers: broker.tcpUrl, name: "worker", sidecar: sidecar.address });
});

afterAll(async () => {
  await worker?.close();
  await sidecar?.stop({ drainMs: 0 });
  await broker?.stop();
  await rm(folder, { recursive: true, force: true });
});

for (const protocol of ["connect", "grpc"] as const) {
  describe(`a sidecar with a broker, called by ${protocol}`, () => {
    let client: Client;
    beforeAll(async () => {
      client = await connect(sidecar.url, { token, protocol });
    });
    afterAll(() => client.close());

    test("passes calls on to workers, by whichever mode, delegated ones too", async () => {
      for (const mode of ["queue", "direct", "at-most-once"] as const) {
        const outputs = await client.operator("double", { mode }).infer({ x: Float32Array.of(1, 2) });
        expect((await outputs.y!.fetch()).toNumbers()).toEqual([2, 4]);
        expect(infoOf(outputs)?.instance).toBe(worker.instance);
      }
      const { y } = await client.operator("relay").infer({ x: Float32Array.of(3) });
      expect((await y!.fetch()).toNumbers()).toEqual([6]);
      await client.operator("double").post({ x: Float32Array.of(1) });
    });

    test("holds what workers answer by reference, and what clients put", async () => {
      const { x } = await client.operator("large").infer({});
      const remote = x as RemoteTensor;
      expect(remote.node).toBe("near");
      expect((await remote.fetch()).bytes.every((byte) => byte === 7)).toBe(true);
      await remote.release();
      const put = await client.put(Tensor.from("FP32", Float32Array.of(5)));
      expect(put.node).toBe("near");
      const { y } = await client.operator("double").infer({ x: put });
      expect((await y!.fetch()).toNumbers()).toEqual([10]);
      await put.release();
    });

    test("lets calls wait for longer than connections may stand still, and ends them when their callers do", async () => {
      const before = stopped;
      const stop = new AbortController();
      const call = failure(client.operator("wait").infer({}, { signal: stop.signal }));
      await until("the operator runs", () => started > before);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      expect(stopped).toBe(before);
      stop.abort();
      expect((await call).code).toBe(Code.Canceled);
      await until("the operator was told", () => stopped > before);
      const late = await failure(client.operator("wait").infer({}, { timeoutMs: 700 }));
      expect(late.code).toBe(Code.DeadlineExceeded);
      await until("the operator was told", () => stopped > before + 1);
    });

    test("says what is not there", async () => {
      const missing = await failure(client.operator("nobody").infer({}));
      expect([missing.code, errorDetail(missing)?.reason]).toEqual([Code.NotFound, "NOT_DECLARED"]);
      expect((await client.operators()).map(({ name }) => name).sort()).toEqual(["double", "large", "relay", "wait"]);
    });
  });
}
