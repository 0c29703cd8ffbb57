import { wallMs } from "../../lib/clock.ts";
import { type Case, makeCase } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";
import { MB, startUcxWorld, TRANSPORTS } from "./ucx-world.ts";

const LIMIT_MS = { posix: 1_000, tcp: 100 };
const INFLIGHT = 8;

/** From the SIGKILL of an owner in the middle of transfers until every fetch from it has failed: the worst round. */
export async function ucxDeath(options: RunOptions): Promise<Findings> {
  const cases: Case[] = [];
  for (const { name } of TRANSPORTS) {
    const took: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      await options.resources.scope(async (resources) => {
        const { owner, reader, publish } = await startUcxWorld({ ...options, resources }, name, 64 * MB);
        const target = await publish(64 * MB);
        const failed = reader.ask<{ failedAtMs: number }>({ untilFailed: { target, inflight: INFLIGHT } });
        await new Promise((resolve) => setTimeout(resolve, 300 + 100 * Math.random()));
        const killedAtMs = wallMs();
        await owner.kill();
        took.push((await failed).failedAtMs - killedAtMs);
      });
    }
    const demand = { on: "value", atMost: LIMIT_MS[name] } as const;
    cases.push(makeCase(`owner killed, until every fetch has failed, ${name}`, Math.max(...took), "ms", undefined, demand));
  }
  return { cases, charts: [] };
}
