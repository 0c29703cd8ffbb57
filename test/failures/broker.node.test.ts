// Real worker processes and a broker of its own: once is enough, and what the test itself runs on makes no difference.
import { afterEach, describe, expect, test } from "bun:test";
import { ConnectError } from "@connectrpc/connect";
import { type CallOptions, connect, errorDetail } from "../../mod.ts";
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
  test("[F5] [I3] ends every call exactly once, to queues in memory and in files alike", async () => {
    world = await Troubled.start();
    const workers = [await world.worker(), await world.worker()];
    const client = await world.client();
    const queues = ["sleep", "kept"] as const;
    const calls: Record<string, Promise<string>[]> = { sleep: [], kept: [], hang: [] };
    const call = (name: string, ms: number, options: CallOptions = {}) => {
      const work = client.operator(name).infer({}, { parameters: { ms }, timeoutMs: 45_000, ...options });
      calls[name]!.push(work.then(() => "ok", outcomeOf));
    };
    await Promise.all(queues.map((name) => client.operator(name).infer({}, { parameters: { ms: 1 } })));
    // Some are answered before, some run, some wait, some are sent while it is away, some directly.
    for (const name of queues) {
      for (let i = 0; i < 10; i++) call(name, 3_000, { mode: "direct" });
      for (let i = 0; i < 170; i++) call(name, 500 + 20 * i);
    }
    call("hang", 0, { timeoutMs: 3_000 });
    await until("some run", () => workers.some((worker) => worker.count(/@sleeping/) > 40));
    await pause(1_200);
    await world.broker.kill();
    // Lost on the way, as nobody has noticed yet: may be sent again.
    for (const name of queues) for (let i = 0; i < 5; i++) call(name, 10, { idempotent: true });
    await until("the loss is noticed", () => !client.bus.connected);
    for (const name of queues) for (let i = 0; i < 20; i++) call(name, 10);
    await pause(5_000);
    await world.broker.restart();
    expect(await Promise.all(calls.hang!)).toEqual(["DEADLINE"]);
    // Whatever runs in the end answers, though late; what waited in memory went with the broker, and nobody knows it.
    const kept = await Promise.all(calls.kept!);
    expect(kept.filter((outcome) => outcome !== "ok")).toEqual([]);
    const sleep = await Promise.all(calls.sleep!);
    expect(sleep.filter((outcome) => outcome !== "ok" && outcome !== "OUTCOME_UNKNOWN")).toEqual([]);
    expect(sleep.filter((outcome) => outcome === "ok").length).toBeGreaterThan(130);
    // All goes on as before, with the same processes.
    for (const name of queues) {
      await Promise.all(Array.from({ length: 20 }, () => client.operator(name).infer({}, { parameters: { ms: 1 } })));
    }
    await client.operator("echo", { mode: "direct" }).infer({});
    expect((await client.operators()).map(({ name }) => name)).toContain("sleep");
  }, 90_000);
});
