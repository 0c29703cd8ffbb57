// Real processes and a broker that ends: what the test itself runs on makes no difference.
import process from "node:process";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { until } from "../support/program.ts";
import { pause } from "../support/waiting.ts";
import { Recorded } from "./recorded.ts";

/** Longer than every time after which something is given up: the longest are pull requests, of 30 s. `OUTAGE_MS` makes it another. */
const longMs = Number(process.env.OUTAGE_MS ?? 35_000);
const patientMs = longMs + 90_000;

let world: Recorded;
beforeAll(async () => {
  world = await Recorded.open();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

/** What may be said of requests that were in the memory of a broker that ended, or just on their way. */
const lost = ["OUTCOME_UNKNOWN"];

async function outage(awayMs: number, how: "ended" | "killed"): Promise<void> {
  const workers = [await world.recorded({ slots: 8 }), await world.recorded({ slots: 8 })];
  const client = await world.client({ outboxMaxBytes: 2 ** 26 });
  const before = await world.baseline(client, workers);
  const { ledger } = world;
  const queues = ["work", "kept"] as const;
  for (const name of queues) {
    for (let i = 0; i < 100; i++) ledger.call(client, name, { parameters: { ms: 250 }, timeoutMs: patientMs });
    // Behind those, and over before the broker is back where it is long away: never to be executed then.
    for (let i = 0; i < 5; i++) ledger.call(client, name, { id: `${name}-hasty-${i}`, timeoutMs: awayMs + 500 });
  }
  for (let i = 0; i < 4; i++) {
    ledger.stream(client, "pieces", { parameters: { count: 40, ms: 100 }, timeoutMs: patientMs, mode: "direct" });
  }
  await until("a part is answered", () => ledger.outcomes().ok! > 30);
  if (how === "killed") await world.broker.kill();
  else process.kill(world.broker.pid, "SIGTERM");
  await until("the loss is noticed", () => !client.bus.connected);
  // Sent while it is away: they wait in the client.
  for (const name of queues) {
    for (let i = 0; i < 20; i++) ledger.call(client, name, { timeoutMs: patientMs });
  }
  await pause(awayMs);
  await world.broker.restart();
  await ledger.settled(patientMs);
  // A part of a stream may have been on its way when the connection broke: told as such, never a short stream.
  const excused = [...lost, "DEADLINE", "EXPIRED", "MESSAGE_MISSING", "INSTANCE_LOST"];
  await world.check(client, workers, { excused, before, forgetful: how === "killed" });
  const kept = ledger.entries.filter(({ operator, id }) => operator === "kept" && !id.includes("hasty"));
  expect(kept.filter(({ outcome }) => outcome !== "ok")).toEqual([]);
  // As before, with the same processes.
  const again = queues.flatMap((name) => Array.from({ length: 50 }, () => ledger.call(client, name)));
  expect(new Set(await Promise.all(again.map(({ done }) => done)))).toEqual(new Set(["ok"]));
  await world.check(client, workers, { excused, before, forgetful: how === "killed" });
}

describe("a broker that is restarted while requests run, wait and stream", () => {
  const rule = "ends each once: those on disk well, those in its memory well or as of unknown outcome";
  test(`${rule}, when it ends in good order`, () => outage(0, "ended"), 90_000);
  test(`${rule}, when it is killed`, () => outage(0, "killed"), 90_000);
});

describe("a broker that is away for long", () => {
  const rule = "ends each once when it is back, and executes none whose deadline has passed meanwhile";
  test(rule, () => outage(longMs, "killed"), patientMs);
});
