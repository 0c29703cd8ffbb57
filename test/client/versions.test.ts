import { afterEach, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { infoOf, operator } from "../../mod.ts";
import { type FakeDeployment, startFakeDeployment } from "../../src/testing/mod.ts";
import { until } from "../support/program.ts";
import { failure } from "../support/waiting.ts";

let deployment: FakeDeployment;
afterEach(() => deployment.close());

const work = (version: number) => operator({ name: "work", version, execute: () => ({}) });

async function answered(options: Parameters<FakeDeployment["client"]["operator"]>[1]): Promise<string | undefined> {
  return infoOf(await deployment.client.operator("work", options).infer({}))?.version;
}

describe("an operator of several versions", () => {
  test("that one worker serves is answered by the version that is asked for, whatever way the request takes", async () => {
    deployment = await startFakeDeployment({ operators: [work(1), work(2), work(10)] });
    const { instance } = deployment.worker;
    for (const way of [{}, { mode: "direct" }, { instance }] as const) {
      expect(await answered({ ...way, version: 1 })).toBe("1");
      expect(await answered({ ...way, version: "2" })).toBe("2");
      expect(await answered(way)).toBe("10");
    }
    const error = await failure(deployment.client.operator("work", { instance, version: 7 }).infer({}));
    expect(error.code).toBe(Code.NotFound);
  });

  test("is answered by the highest one when none is asked for, also by workers that came before it", async () => {
    deployment = await startFakeDeployment({ operators: [work(1)] });
    for (const way of [{}, { mode: "direct" }] as const) expect(await answered(way)).toBe("1");
    const second = await deployment.startWorker({ operators: [work(2)] });
    expect(await answered({})).toBe("2");
    await until("the first worker leaves it to the second", async () => {
      for (let i = 0; i < 10; i++) if (await answered({ mode: "direct" }) !== "2") return false;
      return true;
    });
    expect(await answered({ version: 1, mode: "direct" })).toBe("1");
    expect(await answered({ instance: deployment.worker.instance })).toBe("1");
    expect(await answered({ instance: second.instance })).toBe("2");
  });
});
