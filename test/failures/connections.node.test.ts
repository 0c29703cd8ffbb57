// Connections are cut on the way, whatever runtime holds them.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { until } from "../support/program.ts";
import { openRelay, type Relay } from "../support/relay.ts";
import { pause } from "../support/waiting.ts";
import { Recorded } from "./recorded.ts";

let world: Recorded;
const relays: Relay[] = [];
beforeAll(async () => {
  world = await Recorded.open();
});
afterEach(async () => {
  await world.clear();
  for (const relay of relays.splice(0)) await relay.close();
});
afterAll(() => world.stop());

async function relayed(): Promise<Relay> {
  const relay = await openRelay(world.broker.tcpUrl);
  relays.push(relay);
  return relay;
}

describe("a client's connection that is cut and made again", () => {
  test("while requests run and wait loses none of them, and repeats none", async () => {
    const [relay, worker] = [await relayed(), await world.recorded()];
    const client = await world.client({}, relay.url);
    const before = await world.baseline(client, [worker]);
    for (let i = 0; i < 40; i++) world.ledger.call(client, "work", { parameters: { ms: 700 } });
    for (let i = 0; i < 3; i++) {
      await pause(500);
      relay.cut();
      await until("it is there again", () => client.bus.connected);
    }
    await world.check(client, [worker], { before });
    expect(world.ledger.outcomes()).toEqual({ ok: 40 });
    expect((await world.executions()).filter(({ id }) => id !== "warm").length).toBe(40);
  });

  test("exactly while the answer is sent gets it again by asking, and the work is not repeated", async () => {
    const [relay, worker] = [await relayed(), await world.recorded()];
    const client = await world.client({}, relay.url);
    const before = await world.baseline(client, [worker]);
    for (const [operator, text] of [["work", " response "], ["kept", " response "]] as const) {
      const held = relay.holdFrom(text, "got");
      const entry = world.ledger.call(client, operator);
      await held;
      await pause(50);
      expect(entry.outcome).toBe(undefined);
      relay.cut();
      expect(await entry.done).toBe("ok");
    }
    await world.check(client, [worker], { before });
    expect((await world.executions()).filter(({ id }) => id !== "warm").length).toBe(2);
  });

  test("for longer than a worker waits for its caller ends its running requests once, and its queued ones well", async () => {
    const [relay, worker] = [await relayed(), await world.recorded({ slots: 2 })];
    const client = await world.client({}, relay.url);
    const before = await world.baseline(client, [worker]);
    const running = [1, 2].map(() => world.ledger.call(client, "work", { parameters: { ms: 30_000 } }));
    for (const { id } of running) await world.begun(id);
    const queued = [1, 2, 3].map(() => world.ledger.call(client, "work"));
    await until("they are stored", () => client.caller.openCalls === 5);
    await pause(500);
    relay.part();
    await until("the worker has noticed", async () => {
      return (await world.executions()).filter(({ ended }) => ended === "aborted").length === 2;
    });
    relay.join();
    await world.check(client, [worker], { excused: ["CALLER_GONE"], before });
    expect(running.map(({ outcome }) => outcome)).toEqual(["CALLER_GONE", "CALLER_GONE"]);
    expect(queued.map(({ outcome }) => outcome)).toEqual(["ok", "ok", "ok"]);
  });
});

describe("a worker's connection that is cut and made again", () => {
  test("while it executes changes no outcome", async () => {
    const relay = await relayed();
    const worker = await world.recorded({ url: relay.url, ackWaitMs: 3_000 });
    const client = await world.client();
    const before = await world.baseline(client, [worker]);
    for (let i = 0; i < 40; i++) world.ledger.call(client, "work", { parameters: { ms: 600 } });
    for (let i = 0; i < 3; i++) {
      await pause(500);
      relay.cut();
    }
    await world.check(client, [worker], { before });
    expect(world.ledger.outcomes()).toEqual({ ok: 40 });
  });
});
