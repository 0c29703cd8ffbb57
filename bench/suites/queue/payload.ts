import { paired } from "../../lib/paired.ts";
import { type Case, makeCase } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";
import { QueueWorld } from "./world.ts";

const INFLIGHT = 64;

/** Requests a second against their size, there and back. */
export async function payload(options: RunOptions): Promise<Findings> {
  const world = await QueueWorld.start(options);
  await world.startResponders();
  const cases: Case[] = [];
  const product: [number, number][] = [];
  const floors: [number, number][] = [];
  for (const payloadBytes of options.quick ? [128, 65_536] : [128, 1_024, 4_096, 16_384, 65_536]) {
    const load = { target: "queue-memory", payloadBytes, inflight: INFLIGHT, seconds: options.seconds };
    const { value, floor } = await paired(
      Math.min(3, options.rounds),
      async () => (await world.floor.run(load)).perSecond,
      async () => (await world.product.run(load)).perSecond,
    );
    product.push([payloadBytes, value]);
    floors.push([payloadBytes, floor]);
    cases.push(makeCase(`memory, 1 worker, ${payloadBytes.toLocaleString("en")} B, 64 in flight`, value, "requests/s", floor));
  }
  const chart = {
    id: "payload",
    title: "Queued requests a second by size: one worker, 64 in flight",
    x: { label: "bytes of the tensor, there and back", log: true },
    y: { label: "requests/s", log: true },
    series: [{ name: "waybill", points: product }, { name: "raw JetStream", points: floors, floor: true }],
  };
  return { cases, charts: [chart] };
}
