// Real worker processes that are killed and frozen: what the test itself runs on makes no difference.
import { describe, expect, test } from "bun:test";
import { DeadLetters } from "../../src/rpc/queue/dead-letters.ts";
import { openRelay } from "../support/relay.ts";
import { pause } from "../support/waiting.ts";
import { freeze, thaw } from "./recorded.ts";
import { together } from "./together.ts";

describe("a worker that is killed", () => {
  const tests = together({
    "before it has read the request that was handed to it loses it to another one, as attempt 2": async (world) => {
      const frozen = await world.recorded();
      const client = await world.client();
      await world.ledger.call(client, "work").done;
      freeze(frozen);
      // Its pull requests still stand: the broker writes into a connection that nobody reads.
      const entry = world.ledger.call(client, "work", { id: "handed" });
      await pause(300);
      const other = await world.recorded();
      await frozen.kill("SIGKILL");
      expect([await entry.done, entry.attempt, entry.instance]).toEqual(["ok", 2, other.instance]);
      expect((await world.executions()).filter(({ id }) => id === "handed").map(({ pid }) => pid)).toEqual([other.pid]);
      await world.check(client, [other]);
    },

    "with 16 requests loses each to the others, and each ends once": async (world) => {
      const [victim, other] = [await world.recorded(), await world.recorded()];
      const client = await world.client();
      const entries = Array.from({ length: 32 }, () => world.ledger.call(client, "work", { parameters: { ms: 800 } }));
      await world.begun(entries[31]!.id);
      await victim.kill("SIGKILL");
      await world.check(client, [other]);
      expect(world.ledger.outcomes()).toEqual({ ok: 32 });
      expect(entries.filter(({ attempt }) => attempt === 2).length).toBe(16);
    },

    "in the middle of streams fails them unavailable, with every piece before that in its place": async (world) => {
      const [victim, other] = [await world.recorded(), await world.recorded()];
      const client = await world.client();
      const streams = Array.from(
        { length: 8 },
        () => world.ledger.stream(client, "pieces", { parameters: { count: 20, ms: 100 } }),
      );
      for (const { id } of streams) await world.begun(id);
      await pause(500);
      await victim.kill("SIGKILL");
      await world.check(client, [other], { excused: ["INSTANCE_LOST"] });
      const runs = await world.executions();
      for (const { id, outcome, items } of streams) {
        const [run, ...more] = runs.filter((execution) => execution.id === id);
        expect([id, outcome, more]).toEqual([id, run?.pid === victim.pid ? "INSTANCE_LOST" : "ok", []]);
        if (outcome === "ok") expect(items).toBe(20);
        else expect(items > 0 && items < 20).toBe(true);
      }
    },

    "after it has answered and before it has acknowledged repeats the work, and the caller keeps its answer": async (world) => {
      const relay = await openRelay(world.broker.tcpUrl);
      try {
        const victim = await world.recorded({ url: relay.url });
        const client = await world.client();
        await world.ledger.call(client, "work").done;
        const held = relay.holdFrom("PUB $JS.ACK", "sent");
        const entry = world.ledger.call(client, "work", { id: "answered" });
        await held;
        await victim.kill("SIGKILL");
        expect([await entry.done, entry.attempt]).toEqual(["ok", 1]);
        const other = await world.recorded();
        await world.begun("answered", 2);
        await world.check(client, [other]);
        expect((await world.executions()).filter(({ id }) => id === "answered").map(({ attempt }) => attempt)).toEqual([1, 2]);
      } finally {
        await relay.close();
      }
    },
  });
  for (const [name, body] of tests) test(name, body);
});

describe("a worker that is frozen", () => {
  const tests = together({
    "while it executes loses its request to another one, and changes nothing when it goes on": async (world) => {
      const [first, second] = [await world.recorded(), await world.recorded()];
      const client = await world.client();
      const before = await world.baseline(client, [first, second]);
      const entries = Array.from({ length: 24 }, () => world.ledger.call(client, "work", { parameters: { ms: 1_000 } }));
      for (const { id } of entries) await world.begun(id);
      freeze(first);
      await world.ledger.settled(20_000);
      expect(world.ledger.outcomes()).toEqual({ ok: 24 });
      expect(entries.some(({ attempt }) => attempt === 2)).toBe(true);
      thaw(first);
      // It goes on with what it had, answers, and acknowledges.
      for (const { id, pid } of await world.executions()) {
        if (pid === first.pid) await world.begun(id);
      }
      await world.check(client, [first, second], { before });
      const again = Array.from({ length: 64 }, () => world.ledger.call(client, "work", { parameters: { ms: 50 } }));
      await world.check(client, [first, second], { before });
      expect(new Set(again.map(({ instance }) => instance))).toEqual(new Set([first.instance, second.instance]));
    },

    "with requests that it has not read yet executes none of them after its deadline": async (world) => {
      const frozen = await world.recorded();
      const client = await world.client();
      await world.ledger.call(client, "work").done;
      const before = await world.baseline(client, [frozen]);
      freeze(frozen);
      const late = Array.from(
        { length: 10 },
        (_, i) => world.ledger.call(client, "work", { id: `late-${i}`, timeoutMs: 1_500 }),
      );
      await Promise.all(late.map(({ done }) => done));
      await pause(500);
      thaw(frozen);
      await world.ledger.call(client, "work").done;
      await world.check(client, [frozen], { excused: ["DEADLINE"], before });
      expect(world.ledger.outcomes()).toEqual({ ok: 2, DEADLINE: 10 });
      expect((await world.executions()).filter(({ id }) => id.startsWith("late"))).toEqual([]);
    },
  });
  for (const [name, body] of tests) test(name, body);
});

describe("a request that kills each worker that takes it", () => {
  const tests = together({
    "ends in the dead letters after maxAttempts, and costs no other request anything": async (world) => {
      const spares = await Promise.all(Array.from({ length: 4 }, () => world.recorded({ slots: 4 })));
      const client = await world.client();
      const poison = world.ledger.call(client, "work", { id: "poison", parameters: { die: true } });
      const others = Array.from({ length: 40 }, () => world.ledger.call(client, "work", { parameters: { ms: 300 } }));
      expect(await poison.done).toBe("MAX_ATTEMPTS");
      await Promise.all(others.map(({ done }) => done));
      const dead = new Set((await world.executions()).filter(({ id }) => id === "poison").map(({ pid }) => pid));
      expect(dead.size).toBe(3);
      const left = spares.filter(({ pid }) => !dead.has(pid));
      expect(left.length).toBe(1);
      await world.check(client, left, { excused: ["MAX_ATTEMPTS"] });
      expect(world.ledger.outcomes()).toEqual({ ok: 40, MAX_ATTEMPTS: 1 });
      const letters = await Array.fromAsync(new DeadLetters(client.bus, client.namespace).list());
      expect(letters.map(({ operator, reason }) => [operator, reason])).toEqual([["work", "MAX_ATTEMPTS"]]);
    },
  });
  for (const [name, body] of tests) test(name, body);
});
