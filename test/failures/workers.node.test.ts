// Real worker processes of all three runtimes: once is enough, and what the test itself runs on makes no difference.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { errorDetail, infoOf } from "../../mod.ts";
import { type RuntimeName, until } from "../support/program.ts";
import { failure } from "../support/waiting.ts";
import { countOf, Troubled, whoever } from "./troubled.ts";

let world: Troubled;
beforeAll(async () => {
  world = await Troubled.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

/** The same on every runtime, at the same time: most of it is waiting. */
async function onEveryRuntime(body: (runtime: RuntimeName, namespace: string) => Promise<void>): Promise<void> {
  const runtimes: RuntimeName[] = ["node", "bun", "deno"];
  await Promise.all(runtimes.map((runtime) => body(runtime, `${world.namespace}-${runtime}`)));
}

describe("a worker on any runtime", () => {
  test("[F1] that is killed while it executes loses its request to another one, which answers as attempt 2", async () => {
    await onEveryRuntime(async (runtime, namespace) => {
      const workers = [await world.worker(runtime, namespace), await world.worker(runtime, namespace)];
      const client = await world.client({ namespace });
      const answer = client.operator("sleep").infer({}, { parameters: { ms: 2_000 } });
      const first = await whoever(workers, /@sleeping attempt=1/);
      await first.kill("SIGKILL");
      const outputs = await answer;
      expect(infoOf(outputs)).toMatchObject({ attempt: 2 });
      expect(countOf(workers, /@sleeping/)).toBe(2);
    });
  });

  test("whose loop execute blocks for 10 s runs the request exactly once", async () => {
    await onEveryRuntime(async (runtime, namespace) => {
      const workers = [await world.worker(runtime, namespace), await world.worker(runtime, namespace)];
      const client = await world.client({ namespace });
      const outputs = await client.operator("block").infer({}, { parameters: { ms: 10_000 } });
      expect(infoOf(outputs)?.attempt).toBe(1);
      expect(countOf(workers, /@blocking/)).toBe(1);
    });
  });
});

describe("a worker", () => {
  test("[F2] that is killed in the middle of a stream fails it unavailable, and nobody runs it again", async () => {
    const workers = [await world.worker(), await world.worker()];
    const client = await world.client();
    const pieces = client.operator("pieces").stream({}, { parameters: { count: 5, hangAfter: 1 } });
    await pieces.next();
    await pieces.next();
    const first = await whoever(workers, /@piece 1/);
    await first.kill("SIGKILL");
    const killed = performance.now();
    const error = await failure(pieces.next());
    expect([error.code, errorDetail(error)?.reason]).toEqual([Code.Unavailable, "INSTANCE_LOST"]);
    expect(performance.now() - killed).toBeLessThan(8_000);
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect(countOf(workers, /@streaming/)).toBe(1);
  });

  test("that is killed while its caller streams fails the call unavailable, lets the source go, and nobody runs it again", async () => {
    const workers = [await world.worker(), await world.worker()];
    const client = await world.client();
    let left = false;
    const inputs = async function* () {
      try {
        for (;;) yield {};
      } finally {
        left = true;
      }
    };
    const pieces = client.operator("pieces").stream(inputs(), { parameters: { count: 1, hangAfter: 0 } });
    await pieces.next();
    await (await whoever(workers, /@piece 0/)).kill("SIGKILL");
    const error = await failure(pieces.next());
    expect([error.code, errorDetail(error)?.reason]).toEqual([Code.Unavailable, "INSTANCE_LOST"]);
    await until("the source is let go", () => left);
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect(countOf(workers, /@streaming/)).toBe(1);
  });

  test("[F3] whose execute throws answers with the error, and serves on", async () => {
    await world.worker();
    const client = await world.client();
    const error = await failure(client.operator("throw").infer({}));
    expect(error.code).toBe(Code.Unknown);
    expect(error.rawMessage).toBe('Operator "throw" failed: the model is broken');
    expect(errorDetail(error)).toMatchObject({ reason: "OPERATOR_FAILED", operator: "throw", attempt: 1 });
    expect((await failure(client.operator("throw").infer({}))).code).toBe(Code.Unknown);
    await client.operator("echo").infer({});
  });

  test("[F6] that is dead fails requests directed to it unavailable, without waiting for others", async () => {
    const [dead, alive] = [await world.worker(), await world.worker()];
    const client = await world.client();
    const handle = client.operator("echo", { instance: dead.instance });
    expect(infoOf(await handle.infer({}))?.instance).toBe(dead.instance);
    await dead.kill("SIGKILL");
    const started = performance.now();
    const error = await failure(handle.infer({}));
    expect([error.code, errorDetail(error)?.reason]).toEqual([Code.Unavailable, "NO_INSTANCE"]);
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(infoOf(await client.operator("echo", { instance: alive.instance }).infer({}))?.instance).toBe(alive.instance);
  });

  test("that gets a direct request and is killed with it fails the call unavailable", async () => {
    const worker = await world.worker();
    const client = await world.client();
    const answer = failure(client.operator("hang", { mode: "direct" }).infer({}));
    await worker.waitFor(/@hanging/);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await worker.kill("SIGKILL");
    const error = await answer;
    expect([error.code, errorDetail(error)?.reason]).toEqual([Code.Unavailable, "INSTANCE_LOST"]);
  });
});

describe("an operator that nobody declared", () => {
  test("[F4] is not_found within operatorWaitMs, in every mode", async () => {
    const client = await world.client({ operatorWaitMs: 400 });
    const started = performance.now();
    const errors = await Promise.all(
      (["queue", "direct", "at-most-once"] as const).map((mode) => failure(client.operator("nobody", { mode }).infer({}))),
    );
    expect(errors.map(({ code }) => code)).toEqual([Code.NotFound, Code.NotFound, Code.NotFound]);
    expect(errors[0]?.rawMessage).toBe(
      'Cannot call operator "nobody": no such operator is declared, and nobody took it within 400 ms',
    );
    expect(performance.now() - started).toBeLessThan(2_500);
  });
});
