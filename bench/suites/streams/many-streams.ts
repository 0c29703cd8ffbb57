import { launchNatsServer } from "../../../src/testing/nats-server.ts";
import type { Chart } from "../../lib/chart.ts";
import { Child } from "../../lib/child.ts";
import { type Case, makeCase } from "../../lib/report.ts";
import { ITEM_GAP_MS, ITEMS, type StreamLoad, type StreamsMeasured } from "../../lib/stream-load.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";
import { type Watched, watching } from "../../lib/watch-processes.ts";

const WORKERS = 2;

interface Measured {
  readonly streams: StreamsMeasured;
  readonly watched: Record<string, Watched>;
}

/** Streams of 11 items, 100 ms apart, all through one client: 20,000 of them at any time, for a minute. */
export async function manyStreams(options: RunOptions): Promise<Findings> {
  const streams = options.quick ? 1_000 : 20_000;
  const seconds = options.quick ? 5 : 60;
  const others = options.quick ? 5 : 20;
  const floor = await measure(options, "floor", { streams, seconds: others, mode: "direct" });
  const direct = await measure(options, "product", { streams, seconds: others, mode: "direct" });
  const queued = await measure(options, "product", { streams, seconds, mode: "queue" });
  const what = `${streams.toLocaleString("en")} streams of ${ITEMS} items, ${ITEM_GAP_MS} ms apart`;
  const rate = (measured: Measured) => steady(measured.streams.itemsPerSecond);
  const none = { on: "value", atMost: 0 } as const;
  const cases: Case[] = [];
  for (const [mode, measured, length] of [["queue", queued, seconds], ["direct", direct, others]] as const) {
    const { errors, firstError, completed, firstP50Ms, firstP99Ms, gapP50Ms, gapP99Ms } = measured.streams;
    if (firstError !== undefined) console.error(`   ${mode}: ${errors} errors, the first: ${firstError}`);
    cases.push(
      makeCase(`${mode}: ${what}, ${length} s: errors`, errors, "errors", undefined, none),
      makeCase(`  streams completed`, completed, "streams"),
      makeCase(`  open in a second, the median`, steady(measured.streams.openPerSecond), "streams"),
      makeCase(`  items received`, rate(measured), "items/s", rate(floor)),
      makeCase(`  first item, p50`, firstP50Ms, "ms", floor.streams.firstP50Ms),
      makeCase(`  first item, p99`, firstP99Ms, "ms", floor.streams.firstP99Ms),
      makeCase(`  between two items, p50`, gapP50Ms, "ms", floor.streams.gapP50Ms),
      makeCase(`  between two items, p99`, gapP99Ms, "ms", floor.streams.gapP99Ms),
      ...Object.keys(measured.watched).flatMap((name) => [
        makeCase(`  memory of the ${name}, at most`, at(measured, name).peakMegabytes, "MB", at(floor, name).peakMegabytes),
        makeCase(
          `  processor time of the ${name} for 1,000 items`,
          1_000_000 * at(measured, name).cpuSeconds / items(measured),
          "ms",
          1_000_000 * at(floor, name).cpuSeconds / items(floor),
        ),
      ]),
    );
  }
  return { cases, charts: chartsOf(what, queued, floor) };
}

async function measure(options: RunOptions, of: "product" | "floor", load: StreamLoad): Promise<Measured> {
  return await options.resources.scope(async (resources) => {
    const { runtime } = options;
    const broker = await resources.start(launchNatsServer());
    const [server, caller] = of === "product"
      ? ["bench/programs/stream-worker.ts", "bench/programs/stream-client.ts"]
      : ["bench/floors/stream-responder.ts", "bench/floors/stream-client.ts"];
    // Direct requests go to either worker by chance: each must have room for all.
    const slots = String(load.mode === "direct" ? load.streams : Math.ceil(load.streams / WORKERS));
    const workers: Child[] = [];
    while (workers.length < WORKERS) workers.push(await Child.start(resources, runtime, server, broker.tcpUrl, slots));
    const client = await Child.start(resources, runtime, caller, broker.tcpUrl);
    const groups = { client: [client.pid], workers: workers.map(({ pid }) => pid), broker: [broker.pid] };
    const { result, watched } = await watching(groups, () => client.ask<StreamsMeasured>(load));
    return { streams: result, watched };
  });
}

function at(measured: Measured, name: string): Watched {
  return measured.watched[name]!;
}

function items({ streams }: Measured): number {
  return streams.itemsPerSecond.reduce((sum, count) => sum + count, 0);
}

/** The median of the seconds between the rise and the fall. */
function steady(perSecond: readonly number[]): number {
  const middle = perSecond.slice(2, -3).toSorted((a, b) => a - b);
  return middle[Math.floor(middle.length / 2)] ?? NaN;
}

function chartsOf(what: string, product: Measured, floor: Measured): Chart[] {
  const seconds = { label: "seconds" };
  const timeline = (measured: Measured) => measured.streams.itemsPerSecond.map((count, second) => [second, count] as const);
  return [
    {
      id: "rate",
      title: `${what}, through one client`,
      x: seconds,
      y: { label: "items received/s" },
      series: [
        { name: "queued", points: timeline(product) },
        { name: "raw NATS", points: timeline(floor), floor: true },
      ],
    },
    {
      id: "memory",
      title: `Memory with ${what}, queued`,
      x: seconds,
      y: { label: "resident MB" },
      series: Object.entries(product.watched).map(([name, { memory }]) => ({ name, points: memory })),
    },
  ];
}
