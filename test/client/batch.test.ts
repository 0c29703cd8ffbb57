import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { operator, Tensor } from "../../mod.ts";
import { type FakeDeployment, startFakeDeployment } from "../../src/testing/mod.ts";
import { until } from "../support/program.ts";
import { failure, gate, pause } from "../support/waiting.ts";

const batches: number[][] = [];
let hold: Promise<void> | undefined;

const batched = operator({
  name: "batched",
  maxInflight: 8,
  batch: { maxSize: 4, maxDelayMs: 100 },
  inputs: { n: { dtype: "INT32", shape: [1] } },
  execute: async (requests, contexts) => {
    expect(contexts.length).toBe(requests.length);
    const numbers = requests.map(({ inputs: { n } }) => n.data[0]!);
    batches.push(numbers);
    await hold;
    if (numbers.includes(-1)) throw new Error("all of it");
    return numbers.map((n) => n < 0 ? new Error(`not ${n}`) : { n: Tensor.from("INT32", [n * 10]) });
  },
});
const short = operator({
  name: "short",
  maxInflight: 8,
  batch: { maxSize: 2, maxDelayMs: 50 },
  execute: () => [],
});

let deployment: FakeDeployment;
beforeAll(async () => {
  deployment = await startFakeDeployment({ operators: [batched, short] });
});
afterAll(() => deployment.close());

async function ask(n: number, options = {}): Promise<number | undefined> {
  const outputs = await deployment.client.operator("batched").infer({ n: Tensor.from("INT32", [n]) }, options);
  return Number((outputs.n as Tensor<"INT32">).data[0]);
}

describe("an operator that takes batches", () => {
  test("gets as many requests at once as it takes, and each gets its own answer", async () => {
    batches.length = 0;
    expect(await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((n) => ask(n)))).toEqual([10, 20, 30, 40, 50, 60, 70, 80]);
    expect(batches).toEqual([[1, 2, 3, 4], [5, 6, 7, 8]]);
  });

  test("waits for more no longer than its delay, counted from the first", async () => {
    batches.length = 0;
    const started = performance.now();
    const first = ask(1);
    await pause(50);
    expect(await Promise.all([first, ask(2)])).toEqual([10, 20]);
    const took = performance.now() - started;
    expect(batches).toEqual([[1, 2]]);
    expect(took).toBeGreaterThan(90);
    expect(took).toBeLessThan(1_000);
  });

  test("fails one request alone by an error in its place, and all by throwing", async () => {
    const [one, two, three] = await Promise.allSettled([ask(1), ask(-2), ask(3)]);
    expect([one, three]).toEqual([{ status: "fulfilled", value: 10 }, { status: "fulfilled", value: 30 }]);
    expect((two as PromiseRejectedResult).reason.rawMessage).toBe('Operator "batched" failed: not -2');
    const all = await Promise.all([failure(ask(1)), failure(ask(-1))]);
    expect(all.map(({ rawMessage }) => rawMessage)).toEqual(Array(2).fill('Operator "batched" failed: all of it'));
  });

  test("does not get requests that are canceled before the batch is full", async () => {
    batches.length = 0;
    const stop = new AbortController();
    const canceled = failure(ask(1, { signal: stop.signal }));
    const second = ask(2);
    await pause(20);
    stop.abort();
    expect((await canceled).code).toBe(Code.Canceled);
    expect(await second).toBe(20);
    expect(batches).toEqual([[2]]);
  });

  test("is handed the next batch while it works on one", async () => {
    batches.length = 0;
    const opened = gate();
    hold = opened.promise;
    const answers = Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((n) => ask(n)));
    await until("two batches run", () => batches.length === 2);
    hold = undefined;
    opened.open();
    expect((await answers).length).toBe(8);
  });

  test("must answer for every request, else it is at fault", async () => {
    const error = await failure(deployment.client.operator("short").infer({}));
    expect(error.code).toBe(Code.Internal);
    expect(error.rawMessage).toBe('Cannot answer for operator "short": execute must give 1 outputs, got 0');
  });
});
