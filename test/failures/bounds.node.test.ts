// Real worker processes: what the test itself runs on makes no difference.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { pause } from "../support/waiting.ts";
import { Recorded } from "./recorded.ts";

let world: Recorded;
beforeAll(async () => {
  world = await Recorded.open();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

describe("a queue at its bound", () => {
  test("of messages refuses what is too much at once, and keeps the rest for a worker to come", async () => {
    const client = await world.client();
    await client.declare("few", { maxQueuedMessages: 30 });
    for (let i = 0; i < 50; i++) world.ledger.call(client, "few");
    await pause(1_000);
    expect(world.ledger.outcomes()).toEqual({ QUEUE_FULL: 20, open: 30 });
    const worker = await world.recorded();
    await world.check(client, [worker], { excused: ["QUEUE_FULL"] });
    expect(world.ledger.outcomes()).toEqual({ QUEUE_FULL: 20, ok: 30 });
    // There is room again.
    expect(await world.ledger.call(client, "few").done).toBe("ok");
  });

  test("of bytes does the same", async () => {
    const client = await world.client();
    await client.declare("light", { maxQueuedBytes: 64 * 1024 });
    const parameters = { filling: "x".repeat(4_096) };
    for (let i = 0; i < 40; i++) world.ledger.call(client, "light", { parameters });
    await pause(1_000);
    const { QUEUE_FULL: refused = 0, open = 0, ...others } = world.ledger.outcomes();
    expect([refused + open, others]).toEqual([40, {}]);
    // With headers, and what the broker adds.
    expect(open >= 12 && open <= 16).toBe(true);
    const worker = await world.recorded();
    await world.check(client, [worker], { excused: ["QUEUE_FULL"] });
    expect(world.ledger.outcomes()).toEqual({ QUEUE_FULL: refused, ok: open });
    expect(await world.ledger.call(client, "light", { parameters }).done).toBe("ok");
  });
});

describe("a deadline that is shorter than the wait for a redelivery", () => {
  test("ends the call of a killed worker at the deadline, and nobody executes it again", async () => {
    const victim = await world.recorded({ ackWaitMs: 2_000 });
    const client = await world.client();
    const hasty = Array.from(
      { length: 5 },
      (_, i) => world.ledger.call(client, "work", { id: `hasty-${i}`, parameters: { ms: 10_000 }, timeoutMs: 1_500 }),
    );
    for (const { id } of hasty) await world.begun(id);
    await victim.kill("SIGKILL");
    const other = await world.recorded({ ackWaitMs: 2_000 });
    await world.check(client, [other], { excused: ["DEADLINE"] });
    expect(world.ledger.outcomes()).toEqual({ DEADLINE: 5 });
    expect((await world.executions()).length).toBe(5);
  });
});

describe("an idempotency key", () => {
  test("that one caller uses twice executes once, also when its worker dies with it", async () => {
    const [victim, other] = [await world.recorded({ slots: 1 }), await world.recorded({ slots: 1 })];
    const client = await world.client();
    const options = { idempotencyKey: "once", parameters: { ms: 1_000 } };
    const first = world.ledger.call(client, "work", { ...options, id: "first" });
    await world.begun("first");
    const second = world.ledger.call(client, "work", { ...options, id: "second" });
    expect(await second.done).toBe("DUPLICATE");
    const [run] = await world.executions();
    const [dying, left] = run?.pid === victim.pid ? [victim, other] : [other, victim];
    await dying.kill("SIGKILL");
    expect([await first.done, first.attempt]).toEqual(["ok", 2]);
    // Answered long ago, and still known.
    const third = world.ledger.call(client, "work", { ...options, id: "third" });
    expect(await third.done).toBe("DUPLICATE");
    await world.check(client, [left], { excused: ["DUPLICATE"] });
    expect((await world.executions()).map(({ id, attempt }) => [id, attempt])).toEqual([["first", 1], ["first", 2]]);
  });

  test("that two callers use is another one for each", async () => {
    const worker = await world.recorded();
    const clients = [await world.client(), await world.client()];
    for (const client of clients) world.ledger.call(client, "work", { idempotencyKey: "shared" });
    await world.check(clients[0]!, [worker]);
    expect(world.ledger.outcomes()).toEqual({ ok: 2 });
    expect((await world.executions()).length).toBe(2);
  });
});
