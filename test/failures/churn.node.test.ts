// Real worker processes that come and go: what the test itself runs on makes no difference.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Recorded } from "./recorded.ts";
import type { TroubledWorker } from "./troubled.ts";

const requests = 20_000;
const inFlight = 256;
/** The usual one: on a busy machine processes stand still for more than a second. */
const ackWaitMs = 5_000;

let world: Recorded;
beforeAll(async () => {
  world = await Recorded.open();
});
afterAll(() => world.stop());

describe("workers that are added and removed all the while", () => {
  test(`lose none of ${requests} requests, and run each exactly once`, async () => {
    const client = await world.client();
    const workers: TroubledWorker[] = await Promise.all([world.recorded({ ackWaitMs }), world.recorded({ ackWaitMs })]);
    const before = await world.baseline(client, workers);
    const { ledger } = world;
    let sent = 0;
    const send = async (): Promise<void> => {
      while (sent < requests) await ledger.call(client, "work", { parameters: { ms: 15 + sent++ % 20 } }).done;
    };
    const sending = Promise.all(Array.from({ length: inFlight }, send));
    let drained = 0;
    while (sent < requests) {
      workers.push(await world.recorded({ ackWaitMs }));
      const oldest = workers.shift() as TroubledWorker;
      expect(await oldest.kill("SIGTERM")).toEqual({ code: 0, signal: null });
      drained++;
    }
    await sending;
    await world.check(client, workers, { settleMs: 60_000 });
    expect(ledger.outcomes()).toEqual({ ok: requests });
    const runs = (await world.executions()).filter(({ id }) => id !== "warm");
    const repeated = [...Map.groupBy(runs, ({ id }) => id).values()].filter(({ length }) => length > 1);
    expect(repeated).toEqual([]);
    expect(runs.filter(({ attempt }) => attempt > 1)).toEqual([]);
    expect(drained).toBeGreaterThan(4);
    // The workers are others, and there are as many.
    const now = await world.baseline(client, workers);
    const counted = (footprint: Readonly<Record<string, number>>) =>
      Object.fromEntries(Object.entries(footprint).filter(([what]) => !what.startsWith("open files")));
    expect(counted(now)).toEqual(counted(before));
  }, 240_000);
});
