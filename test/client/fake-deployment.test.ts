import { describe, expect, test } from "bun:test";
import { operator, type Tensor } from "../../mod.ts";
import { startFakeDeployment } from "../../src/testing/mod.ts";
import { pause } from "../support/waiting.ts";

describe("a fake deployment", () => {
  test("serves operators to clients without a broker, and ends all of it", async () => {
    const double = operator({
      name: "double",
      inputs: { x: { dtype: "FP32", shape: [-1] } },
      execute: ({ inputs: { x } }) => ({ y: x.data.map((value) => value * 2) }),
    });
    const { client, worker, close } = await startFakeDeployment({ operators: [double] });
    for (const mode of ["queue", "direct", "at-most-once"] as const) {
      const { y } = await client.operator("double", { mode }).infer({ x: new Float32Array([1, 2]) });
      expect([...(y as Tensor<"FP32">).data]).toEqual([2, 4]);
    }
    await close();
    expect(worker.inflight).toBe(0);
    expect(client.bus.connected).toBe(false);
  });

  test("hands each queued request to one of its workers, also when they come and go", async () => {
    const executed: string[] = [];
    const workerOf = (name: string) => ({
      name,
      operators: [
        operator({
          name: "work",
          maxInflight: 2,
          execute: async () => {
            executed.push(name);
            await pause(5);
            return {};
          },
        }),
      ],
    });
    const deployment = await startFakeDeployment(workerOf("first"));
    const second = await deployment.startWorker(workerOf("second"));
    const call = () => deployment.client.operator("work").infer({});
    await Promise.all(Array.from({ length: 20 }, call));
    expect(executed.length).toBe(20);
    expect(new Set(executed)).toEqual(new Set(["first", "second"]));
    await deployment.worker.drain();
    executed.length = 0;
    await Promise.all(Array.from({ length: 5 }, call));
    expect(executed).toEqual(Array(5).fill("second"));
    await second.drain();
    const waiting = call();
    await deployment.startWorker(workerOf("third"));
    await waiting;
    expect(executed.at(-1)).toBe("third");
    await deployment.close();
  });
});
