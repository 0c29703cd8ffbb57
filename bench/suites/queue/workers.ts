import type { Series } from "../../lib/chart.ts";
import { paired } from "../../lib/paired.ts";
import { type Case, makeCase } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";
import { QueueWorld } from "./world.ts";

/** One slot: a worker then does one request of 2 ms after the other, and what more workers bring is seen at once. */
const SLOTS = 1;
const INFLIGHT = 64;
const REQUIRED_OF_FOUR = 1.5;

/** Requests a second against how many workers there are: for an operator that takes 2 ms, and for one that takes no time. */
export async function workers(options: RunOptions): Promise<Findings> {
  const world = await QueueWorld.start(options);
  const cases: Case[] = [];
  const counts = options.quick ? [1, 4] : [1, 2, 4, 8];
  const targets = ["hold-2", "echo"] as const;
  const rates = new Map<string, [number, number][]>();
  const of = (name: string) => rates.get(name) ?? rates.set(name, []).get(name)!;
  for (const count of counts) {
    await world.growTo(count, SLOTS);
    for (const target of targets) {
      const load = { target: `queue-${target}`, payloadBytes: 128, inflight: INFLIGHT, seconds: options.seconds };
      const { value, floor } = await paired(
        Math.min(3, options.rounds),
        async () => (await world.floor.run(load)).perSecond,
        async () => (await world.product.run(load)).perSecond,
      );
      of(target).push([count, value]);
      of(`raw ${target}`).push([count, floor]);
      const what = target === "echo" ? "takes no time, 64 slots each" : "takes 2 ms, 1 slot each";
      cases.push(makeCase(`${count} ${count === 1 ? "worker" : "workers"}, 64 in flight, ${what}`, value, "requests/s", floor));
    }
  }
  const rateOf = (count: number) => of("hold-2").find(([workers]) => workers === count)?.[1] ?? NaN;
  cases.push(makeCase(
    "4 workers against 1, 64 in flight, takes 2 ms, 1 slot each",
    rateOf(4),
    "requests/s",
    rateOf(1),
    { on: "ratio", atLeast: REQUIRED_OF_FOUR },
  ));
  const chart = (target: string, title: string) => {
    const series: Series[] = [
      { name: "waybill", points: of(target) },
      { name: "raw JetStream", points: of(`raw ${target}`), floor: true },
    ];
    return { id: `workers-${target}`, title, x: { label: "workers", log: true }, y: { label: "requests/s" }, series };
  };
  return {
    cases,
    charts: [
      chart("hold-2", "Workers of one slot, an operator that takes 2 ms, 64 in flight"),
      chart("echo", "Workers that share two cores, an operator that takes no time, 64 in flight"),
    ],
  };
}
