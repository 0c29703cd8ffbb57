import { expect } from "bun:test";
import type { Recorded } from "./recorded.ts";
import type { TroubledWorker } from "./troubled.ts";

const inFlight = 256;
/** Workers that are removed at least. */
const removals = 6;
/** The usual one: on a busy machine processes stand still for more than a second. */
const ackWaitMs = 5_000;

/** Sends so many requests, or more, through workers of which the oldest is drained as soon as a new one serves. */
export async function churn(world: Recorded, requests: number): Promise<void> {
  const client = await world.client();
  const workers: TroubledWorker[] = await Promise.all([world.recorded({ ackWaitMs }), world.recorded({ ackWaitMs })]);
  const before = await world.baseline(client, workers);
  const { ledger } = world;
  let sent = 0;
  let drained = 0;
  const enough = () => sent >= requests && drained >= removals;
  const send = async (): Promise<void> => {
    while (!enough()) await ledger.call(client, "work", { parameters: { ms: 15 + sent++ % 20 } }).done;
  };
  const sending = Promise.all(Array.from({ length: inFlight }, send));
  while (!enough()) {
    workers.push(await world.recorded({ ackWaitMs }));
    const oldest = workers.shift() as TroubledWorker;
    expect(await oldest.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    drained++;
  }
  await sending;
  await world.check(client, workers, { settleMs: 60_000 });
  expect(ledger.outcomes()).toEqual({ ok: sent });
  const runs = (await world.executions()).filter(({ id }) => id !== "warm");
  const repeated = [...Map.groupBy(runs, ({ id }) => id).values()].filter(({ length }) => length > 1);
  expect(repeated).toEqual([]);
  expect(runs.filter(({ attempt }) => attempt > 1)).toEqual([]);
  // The workers are others, and there are as many.
  const now = await world.baseline(client, workers);
  const counted = (footprint: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(footprint).filter(([what]) => !what.startsWith("open files")));
  expect(counted(now)).toEqual(counted(before));
}
