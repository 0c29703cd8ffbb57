import type { Series } from "../../lib/chart.ts";
import { paired } from "../../lib/paired.ts";
import { type Case, makeCase } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";
import { QueueWorld } from "./world.ts";

const PAYLOAD_BYTES = 128;

/** Requests a second against how many are in flight, with the queue in memory and in files. */
export async function inFlight(options: RunOptions): Promise<Findings> {
  const world = await QueueWorld.start(options);
  await world.startResponders();
  const cases: Case[] = [];
  const series: Series[] = [];
  const counts = options.quick ? [1, 64] : [1, 4, 16, 64, 256, 1_024, 4_096];
  for (const storage of ["memory", "file"] as const) {
    const product: [number, number][] = [];
    const floors: [number, number][] = [];
    for (const inflight of counts) {
      const load = { target: `queue-${storage}`, payloadBytes: PAYLOAD_BYTES, inflight, seconds: options.seconds };
      const { value, floor } = await paired(
        Math.min(3, options.rounds),
        async () => (await world.floor.run(load)).perSecond,
        async () => (await world.product.run(load)).perSecond,
      );
      product.push([inflight, value]);
      floors.push([inflight, floor]);
      cases.push(
        makeCase(`${storage}, 1 worker, 128 B, ${inflight.toLocaleString("en")} in flight`, value, "requests/s", floor),
      );
    }
    series.push({ name: storage, points: product }, { name: `raw JetStream, ${storage}`, points: floors, floor: true });
  }
  const chart = {
    id: "in-flight",
    title: "Queued requests a second: one worker, 128 B",
    x: { label: "requests in flight", log: true },
    y: { label: "requests/s" },
    series,
  };
  return { cases, charts: [chart] };
}
