// Real worker processes and a broker of its own: once is enough, and what the test itself runs on makes no difference.
import { afterEach, describe, expect, test } from "bun:test";
import { ConnectError } from "@connectrpc/connect";
import { connect, errorDetail } from "../../mod.ts";
import { launchNatsServer } from "../../src/testing/nats-server.ts";
import { until } from "../support/program.ts";
import { pause } from "../support/waiting.ts";
import { serving, Troubled } from "./troubled.ts";

let world: Troubled;
afterEach(() => world.stop());

/** How a call failed: the error's reason. */
function outcomeOf(thrown: unknown): string {
  const error = ConnectError.from(thrown);
  return errorDetail(error)?.reason || `${error.code}`;
}

describe("client and worker", () => {
  test("that are started at the same moment find each other", async () => {
    world = await Troubled.start();
    const program = world.startWorker();
    const client = await world.client({ operatorWaitMs: 20_000 });
    await Promise.all([
      client.operator("echo").infer({}),
      client.operator("echo", { mode: "direct" }).infer({}),
      client.operator("pieces").stream({}).next(),
    ]);
    await serving(program);
  });

  test("wait for a broker that is started after them", async () => {
    const earlier = await launchNatsServer();
    const { tcpUrl } = earlier;
    const port = Number(new URL(tcpUrl).port);
    await earlier.stop();
    world = new Troubled({ ...earlier, tcpUrl, stop: () => Promise.resolve() });
    const program = world.startWorker();
    const connecting = connect(tcpUrl, { namespace: world.namespace, waitOnFirstConnectMs: 30_000, operatorWaitMs: 20_000 });
    await pause(1_500);
    const broker = await launchNatsServer({ port });
    world = Object.assign(new Troubled(broker), { namespace: world.namespace });
    try {
      const client = await connecting;
      await client.operator("echo").infer({});
      await serving(program);
      await client.close();
    } finally {
      await program.kill("SIGKILL");
    }
  });
});

describe("a broker that is away for 5 s", () => {
  for (const operator of ["sleep", "kept"] as const) {
    test(`ends every call to a queue in ${operator === "kept" ? "a file" : "memory"} exactly once`, async () => {
      world = await Troubled.start();
      const workers = [await world.worker(), await world.worker()];
      const client = await world.client();
      const handle = client.operator(operator);
      await handle.infer({}, { parameters: { ms: 1 } });
      const calls: Promise<string>[] = [];
      const call = (work: Promise<unknown>) => void calls.push(work.then(() => "ok", outcomeOf));
      // Some are answered before, some run, some wait, some are sent while it is away, some directly.
      for (let i = 0; i < 10; i++) {
        const direct = client.operator(operator, { mode: "direct" });
        call(direct.infer({}, { parameters: { ms: 3_000 }, timeoutMs: 45_000 }));
      }
      for (let i = 0; i < 170; i++) call(handle.infer({}, { parameters: { ms: 500 + 20 * i }, timeoutMs: 45_000 }));
      call(client.operator("hang").infer({}, { timeoutMs: 3_000 }));
      await until("some run", () => workers.some((worker) => worker.count(/@sleeping/) > 20));
      await pause(1_200);
      await world.broker.kill();
      // Lost on the way, as nobody has noticed yet: may be sent again.
      for (let i = 0; i < 5; i++) call(handle.infer({}, { parameters: { ms: 10 }, timeoutMs: 45_000, idempotent: true }));
      await until("the loss is noticed", () => !client.bus.connected);
      for (let i = 0; i < 20; i++) call(handle.infer({}, { parameters: { ms: 10 }, timeoutMs: 45_000 }));
      await pause(5_000);
      await world.broker.restart();
      const outcomes = Object.fromEntries(
        Object.entries(Object.groupBy(await Promise.all(calls), (outcome) => outcome)).map(([key, all]) => [key, all?.length]),
      );
      expect(outcomes.DEADLINE).toBe(1);
      expect(Object.keys(outcomes).filter((outcome) => !["ok", "DEADLINE", "OUTCOME_UNKNOWN"].includes(outcome))).toEqual([]);
      // What ran, its answer came late; what waited in memory went with the broker.
      expect(outcomes.ok).toBeGreaterThan(operator === "kept" ? 203 : 130);
      // All goes on as before, with the same processes.
      await Promise.all(Array.from({ length: 20 }, () => handle.infer({}, { parameters: { ms: 1 } })));
      await client.operator("echo", { mode: "direct" }).infer({});
      expect((await client.operators()).map(({ name }) => name)).toContain(operator);
    }, 90_000);
  }
});
