import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { errorDetail } from "../../src/rpc/error.ts";
import { callInfoOf } from "../../src/rpc/delivery.ts";
import type { Broker } from "../../src/testing/nats-server.ts";
import { until } from "../support/program.ts";
import { openRelay } from "../support/relay.ts";
import { collect, failure, gate, pause } from "../support/waiting.ts";
import { QueueWorld, startBroker } from "./queue-world.ts";

let broker: Broker;
const worlds: QueueWorld[] = [];

beforeAll(async () => {
  broker = await startBroker();
});
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});
afterAll(() => broker.stop());

async function world(options: Parameters<typeof QueueWorld.join>[1] = {}): Promise<QueueWorld> {
  const joined = await QueueWorld.join(broker, options);
  worlds.push(joined);
  return joined;
}

describe("a worker's slots", () => {
  test("[I1] [F3] are never exceeded and never lost under queued, direct and directed load, also when execute throws", async () => {
    const w = await world();
    const [a, b] = [await w.caller(), await w.caller()];
    let running = 0;
    let most = 0;
    const worker = await w.worker({
      maxInflight: 3,
      infer: async (text) => {
        most = Math.max(most, ++running);
        await pause(Math.random() * 8);
        running--;
        if (Number(text) % 5 === 0) throw new Error("every fifth");
        return text;
      },
    });
    const { instance } = worker.server;
    let busy = 0;
    const outcomes = { ok: 0, failed: 0 };
    const call = async (i: number): Promise<void> => {
      const choice = i % 3 === 0 ? {} : i % 3 === 1 ? { mode: "direct" as const } : { instance };
      for (;;) {
        try {
          expect(await (i % 2 === 0 ? a : b).infer(`${i}`, choice)).toBe(`${i}`);
          return void outcomes.ok++;
        } catch (error) {
          if (errorDetail(error)?.reason !== "BUSY") return void outcomes.failed++;
          busy++;
          await pause(Math.random() * 20);
        }
      }
    };
    await Promise.all(Array.from({ length: 240 }, (_, i) => call(i)));
    expect(outcomes).toEqual({ ok: 192, failed: 48 });
    expect(most).toBe(3);
    expect(busy).toBeGreaterThan(0);
    await until("all slots are free", () => worker.operator.inflight === 0 && worker.operator.held === 0);
    await Promise.all(Array.from({ length: 6 }, (_, i) => a.infer(`${i + 1}1`)));
    expect(await w.stored()).toBe(0);
  });

  test("are given back by a drain that spends no attempt and loses nothing", async () => {
    const w = await world();
    const caller = await w.caller();
    const attempts: number[] = [];
    const infer = async (text: string, context: Parameters<typeof callInfoOf>[0]) => {
      attempts.push(callInfoOf(context)?.delivery.attempt ?? 0);
      await pause(20);
      return text;
    };
    const workers = [await w.worker({ infer, maxInflight: 4 }), await w.worker({ infer, maxInflight: 4 })];
    const answers = Promise.all(Array.from({ length: 150 }, (_, i) => caller.infer(`${i}`)));
    // Workers come and go one after the other, each in the middle of its work.
    for (let round = 0; round < 4; round++) {
      await until("some are executed", () => attempts.length > round * 20);
      workers.push(await w.worker({ infer, maxInflight: 4 }));
      await workers.shift()?.drain();
    }
    expect(await answers).toEqual(Array.from({ length: 150 }, (_, i) => `${i}`));
    expect(attempts.length).toBe(150);
    expect(new Set(attempts)).toEqual(new Set([1]));
  });
});

describe("a call whose connection breaks", () => {
  test("gets the final answer that was sent meanwhile", async () => {
    const w = await world();
    const relay = await openRelay(broker.tcpUrl);
    try {
      const caller = await w.caller({}, relay.url);
      const hold = gate();
      let executed = 0;
      const worker = await w.worker({ infer: async () => (executed++, await hold.promise, "kept") });
      const answer = caller.infer("x");
      await until("it runs", () => executed === 1);
      relay.part();
      hold.open();
      await until("it is answered", () => worker.operator.inflight === 0);
      relay.join();
      expect(await answer).toBe("kept");
      expect(executed).toBe(1);
    } finally {
      await relay.close();
    }
  });

  test("fails unavailable within 5 s when nobody knows what became of it", async () => {
    const w = await world();
    const relay = await openRelay(broker.tcpUrl);
    try {
      const caller = await w.caller({}, relay.url);
      const taken = gate();
      const hold = gate();
      const first = await w.worker({ infer: async () => (taken.open(), await hold.promise, "lost") });
      const answer = failure(caller.infer("x"));
      await taken.promise;
      relay.part();
      hold.open();
      await until("it is answered", () => first.operator.inflight === 0);
      await first.drain();
      await w.worker({});
      relay.join();
      const back = performance.now();
      const error = await answer;
      expect([error.code, errorDetail(error)?.reason]).toEqual([Code.Unavailable, "OUTCOME_UNKNOWN"]);
      expect(performance.now() - back).toBeLessThan(6_000);
    } finally {
      await relay.close();
    }
  });

  test("goes on when another instance does not know it but its own still runs it", async () => {
    const w = await world();
    const relay = await openRelay(broker.tcpUrl);
    try {
      const caller = await w.caller({}, relay.url);
      const hold = gate();
      const stream = async function* () {
        yield "one";
        await hold.promise;
        yield "two";
      };
      for (let i = 0; i < 4; i++) await w.worker({ stream });
      const items = caller.stream("x");
      expect((await items.next()).value).toBe("one");
      relay.cut();
      await pause(2_500);
      hold.open();
      expect(await collect(items)).toEqual(["two"]);
    } finally {
      await relay.close();
    }
  });
});
