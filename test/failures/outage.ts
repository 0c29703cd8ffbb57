import process from "node:process";
import { expect } from "bun:test";
import { until } from "../support/program.ts";
import { pause } from "../support/waiting.ts";
import type { Recorded } from "./recorded.ts";

/** What may be said of requests that were in the memory of a broker that ended, or just on their way. */
const lost = ["OUTCOME_UNKNOWN"];

/** Takes the broker away while requests run, wait and stream, and brings it back; all of them have to end, and as they may. */
export async function outage(world: Recorded, awayMs: number, how: "ended" | "killed"): Promise<void> {
  const workers = [await world.recorded({ slots: 8 }), await world.recorded({ slots: 8 })];
  const client = await world.client({ outboxMaxBytes: 2 ** 26 });
  const before = await world.baseline(client, workers);
  const { ledger } = world;
  const patience = awayMs + 90_000;
  const queues = ["work", "kept"] as const;
  for (const name of queues) {
    for (let i = 0; i < 100; i++) ledger.call(client, name, { parameters: { ms: 250 }, timeoutMs: patience });
    // Behind those, and over before the broker is back where it is long away: never to be executed then.
    for (let i = 0; i < 5; i++) ledger.call(client, name, { id: `${name}-hasty-${i}`, timeoutMs: awayMs + 500 });
  }
  for (let i = 0; i < 4; i++) {
    ledger.stream(client, "pieces", { parameters: { count: 40, ms: 100 }, timeoutMs: patience, mode: "direct" });
  }
  await until("a part is answered", () => ledger.outcomes().ok! > 30);
  if (how === "killed") await world.broker.kill();
  else process.kill(world.broker.pid, "SIGTERM");
  await until("the loss is noticed", () => !client.bus.connected);
  // Sent while it is away: they wait in the client.
  for (const name of queues) {
    for (let i = 0; i < 20; i++) ledger.call(client, name, { timeoutMs: patience });
  }
  await pause(awayMs);
  await world.broker.restart();
  await ledger.settled(patience);
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
