import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../../../mod.ts";
import { launchNatsServer } from "../../../src/testing/nats-server.ts";
import { Child } from "../../lib/child.ts";
import { wallMs } from "../../lib/clock.ts";
import { type Case, makeCase, median } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";

const PROGRAM = "bench/programs/stuck-worker.ts";
const REQUESTS = 16;
/** Requests are sent over this long, so that the kill meets them at every distance from their last sign of life. */
const SPREAD_MS = 1_500;

/** How long after the kill of a worker (SIGKILL) another one begins its requests again: the latest of 16, in the worst round. */
export async function redelivery(options: RunOptions): Promise<Findings> {
  const broker = await options.resources.start(launchNatsServer());
  const cases: Case[] = [];
  for (const [ackWaitMs, atMost, rounds] of [[5_000, 6, options.quick ? 1 : 3], [1_000, 1.5, options.quick ? 1 : 5]] as const) {
    const latencies: number[] = [];
    let worst = 0;
    for (let round = 0; round < rounds; round++) {
      const seconds = await options.resources.scope(async (resources) => {
        const client = await resources.start(connect(broker.tcpUrl, { namespace: "bench" }));
        const victim = await Child.start(resources, options.runtime, PROGRAM, broker.tcpUrl, String(ackWaitMs));
        const handle = client.operator("stuck");
        const answers = Array.from({ length: REQUESTS }, async (_, index) => {
          await delay(index * SPREAD_MS / REQUESTS);
          return (await handle.infer({})).startedAtMs!;
        });
        while ((await victim.ask<{ taken: number }>({})).taken < REQUESTS) await delay(20);
        await Child.start(resources, options.runtime, PROGRAM, broker.tcpUrl, String(ackWaitMs));
        await delay(Math.random() * 1_000);
        const killedAt = wallMs();
        await victim.kill();
        return await Promise.all(answers.map(async (answer) => {
          const { data } = await (await answer).fetch();
          return (Number(data[0]) - killedAt) / 1_000;
        }));
      });
      latencies.push(median(seconds));
      worst = Math.max(worst, ...seconds);
    }
    const what = `${ackWaitMs === 5_000 ? "default ackWaitMs" : "ackWaitMs"} of ${ackWaitMs.toLocaleString("en")}`;
    cases.push(
      makeCase(`redelivery after SIGKILL, ${what}, the latest`, worst, "s", undefined, { on: "value", atMost }),
      makeCase(`  the median`, median(latencies), "s", ackWaitMs / 1_000),
    );
  }
  return { cases, charts: [] };
}
