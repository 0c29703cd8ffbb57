// Node looks at its timers before it reads what came meanwhile: there, silence and a blocked loop look the same at first.
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { infoOf } from "../../mod.ts";
import { Hearing } from "../../src/rpc/hearing.ts";
import { connectBus } from "../../src/bus/connect.ts";
import { until } from "../support/program.ts";
import { pause } from "../support/waiting.ts";
import { Troubled, whoever } from "./troubled.ts";

let world: Troubled;
beforeAll(async () => {
  world = await Troubled.start();
});
afterAll(() => world.stop());

/** In the phase after which Node looks at its timers. */
function blockLoop(ms: number): Promise<void> {
  return new Promise((resolve) =>
    setImmediate(() => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
      resolve();
    })
  );
}

describe("a caller whose loop was blocked for longer than an instance may be silent", () => {
  test("hears the heartbeats that came meanwhile before it judges, and gets its answers", async () => {
    const worker = await world.worker();
    const client = await world.client();
    const sleep = client.operator("sleep", { mode: "direct", parameters: { ms: 8_000 } });
    const answers = [sleep.infer({}), sleep.infer({})];
    await whoever([worker], /@sleeping attempt=1/);
    // A heartbeat has come: the calls count as running.
    await pause(1_500);
    await blockLoop(5_500);
    for (const outputs of await Promise.all(answers)) expect(infoOf(outputs)?.attempt).toBe(1);
    expect(worker.count(/@sleeping/)).toBe(2);
  });
});

describe("hearing", () => {
  test("moves on with the broker's answer, to when it was asked", async () => {
    const bus = await connectBus(world.broker.tcpUrl);
    let heard = 0;
    const hearing = new Hearing(bus, 10_000, () => heard++);
    const before = performance.now();
    hearing.ask();
    hearing.ask();
    const after = performance.now();
    await until("it has heard", () => heard > 0);
    expect([hearing.upTo >= before, hearing.upTo <= after, heard]).toEqual([true, true, 1]);
    await bus.close();
  });

  test("does not wait for a broker that sends nothing at all", async () => {
    const bus = await connectBus(world.broker.tcpUrl);
    const hearing = new Hearing(bus, 200, () => {});
    process.kill(world.broker.pid, "SIGSTOP");
    try {
      hearing.ask();
      await until("silence counts", () => hearing.upTo > 0);
      expect(hearing.upTo).toBeGreaterThan(0);
    } finally {
      process.kill(world.broker.pid, "SIGCONT");
    }
    await bus.close();
  });
});
