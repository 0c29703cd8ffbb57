import { setTimeout as delay } from "node:timers/promises";
import { launchNatsServer } from "../../../src/testing/nats-server.ts";
import { Child } from "../../lib/child.ts";
import { paired } from "../../lib/paired.ts";
import { statsOf } from "../../lib/process-stats.ts";
import { type Case, makeCase } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";

const INFLIGHT = 64;
const MEGABYTE = 2 ** 20;

/** One worker that serves 1,000 operators: what it costs to start, to hold and to call, against one that serves a single one. */
export async function manyOperators(options: RunOptions): Promise<Findings> {
  const counts = options.quick ? [1, 100] : [1, 100, 1_000];
  const cases: Case[] = [];
  const charts: Record<"start" | "memory", { worker: [number, number][]; broker: [number, number][] }> = {
    start: { worker: [], broker: [] },
    memory: { worker: [], broker: [] },
  };
  for (const count of counts) {
    await options.resources.scope(async (resources) => {
      const broker = await resources.start(launchNatsServer());
      const empty = await statsOf(broker.pid);
      const files = [broker.tcpUrl, String(count)] as const;
      const worker = await Child.start(resources, options.runtime, "bench/programs/many-operators-worker.ts", ...files);
      const { startSeconds } = await worker.ask<{ startSeconds: number }>({});
      const client = await Child.start(resources, options.runtime, "bench/programs/many-operators-client.ts", ...files);
      const what = `${count.toLocaleString("en")} ${count === 1 ? "operator" : "operators"}`;
      // Idle: leases are renewed and pulls kept open.
      const idleSeconds = options.quick ? 2 : 10;
      const before = [await statsOf(worker.pid), await statsOf(broker.pid)] as const;
      await delay(idleSeconds * 1000);
      const after = [await statsOf(worker.pid), await statsOf(broker.pid)] as const;
      const busy = (index: 0 | 1) => 100 * (after[index].cpuSeconds - before[index].cpuSeconds) / idleSeconds;
      const first = await client.run({ target: "first", payloadBytes: 128, inflight: INFLIGHT });
      const load = { payloadBytes: 128, inflight: INFLIGHT, seconds: options.seconds };
      const { value, floor } = await paired(
        Math.min(3, options.rounds),
        async () => (await client.run({ ...load, target: "one" })).perSecond,
        async () => (await client.run({ ...load, target: "all" })).perSecond,
      );
      const workerMegabytes = after[0].rssBytes / MEGABYTE;
      const brokerMegabytes = (after[1].rssBytes - empty.rssBytes) / MEGABYTE;
      cases.push(
        makeCase(`${what} in one worker: until it serves`, startSeconds, "s"),
        makeCase("  memory of the worker", workerMegabytes, "MB"),
        makeCase("  memory of the broker, more than when empty", brokerMegabytes, "MB"),
        makeCase("  idle: processor time of the worker", busy(0), "%"),
        makeCase("  idle: processor time of the broker", busy(1), "%"),
        makeCase("  first call of each operator", first.perSecond, "requests/s"),
        makeCase("  calls of all in turns, against calls of one", value, "requests/s", floor),
      );
      charts.start.worker.push([count, startSeconds]);
      charts.memory.worker.push([count, workerMegabytes]);
      charts.memory.broker.push([count, brokerMegabytes]);
    });
  }
  const x = { label: "operators of one worker", log: true };
  return {
    cases,
    charts: [
      {
        id: "operators-start",
        title: "Until a worker serves",
        x,
        y: { label: "seconds" },
        series: [{ name: "start of the worker", points: charts.start.worker }],
      },
      {
        id: "operators-memory",
        title: "Memory of a worker and its broker",
        x,
        y: { label: "MB" },
        series: [
          { name: "worker", points: charts.memory.worker },
          { name: "broker, more than when empty", points: charts.memory.broker },
        ],
      },
    ],
  };
}
