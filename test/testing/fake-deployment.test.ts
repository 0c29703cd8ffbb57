import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code, infoOf, operator } from "../../mod.ts";
import { type FakeDeployment, startFakeDeployment } from "../../src/testing/mod.ts";

const echo = operator({ name: "echo", execute: ({ inputs }) => inputs });
const count = operator({
  name: "count",
  async *execute() {
    for (let n = 1; n <= 3; n++) yield { n: Int32Array.of(n) };
  },
});

describe("a deployment in the test's own process", () => {
  let deployment: FakeDeployment;
  beforeAll(async () => {
    deployment = await startFakeDeployment({ operators: [echo] });
  });
  afterAll(() => deployment.close());

  test("serves operators to its client, queued and directly", async () => {
    for (const mode of ["queue", "direct"] as const) {
      const { x } = await deployment.client.operator("echo").infer({ x: Int32Array.of(7) }, { mode });
      expect((await x?.fetch())?.toNumbers()).toEqual([7]);
    }
  });

  test("takes streams of inputs, queued and directly", async () => {
    const inputs = async function* () {
      for (let n = 1; n <= 3; n++) yield { x: Int32Array.of(n) };
    };
    for (const mode of ["queue", "direct"] as const) {
      const seen: number[] = [];
      for await (const { x } of deployment.client.operator("echo").stream(inputs(), { mode })) {
        seen.push(...(await x?.fetch())?.toNumbers() ?? []);
      }
      expect(seen).toEqual([1, 2, 3]);
    }
  });

  test("takes further workers and clients, which find each other", async () => {
    const worker = await deployment.startWorker({ operators: [echo, count], name: "second" });
    const client = deployment.connect({ operatorWaitMs: 200 });
    const names = (await client.operators()).map(({ name, instances }) => [name, instances.length]);
    expect(names.sort()).toEqual([["count", 1], ["echo", 2]]);
    const seen: number[] = [];
    for await (const { n } of client.operator("count").stream({})) seen.push(...(await n?.fetch())?.toNumbers() ?? []);
    expect(seen).toEqual([1, 2, 3]);
    const outputs = await client.operator("echo", { instance: worker.instance }).infer({ x: Int32Array.of(1) });
    expect(infoOf(outputs)?.instance).toBe(worker.instance);
    await expect(client.operator("nobody").infer({})).rejects.toMatchObject({ code: Code.NotFound });
  });

  test("ends all of them when it is closed", async () => {
    const other = await startFakeDeployment({ operators: [echo] });
    const client = other.connect();
    await other.startWorker({ operators: [count] });
    await other.close();
    await expect(client.operator("echo").infer({})).rejects.toMatchObject({ code: Code.Unavailable });
    expect(other.worker.inflight).toBe(0);
  });
});
