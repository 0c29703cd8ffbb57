import { paired } from "../../lib/paired.ts";
import { type Case, makeCase, median } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";
import { MB, startUcxWorld, TRANSPORTS } from "./ucx-world.ts";

/** Many fetches at once between two processes. */
export async function ucxConcurrent(options: RunOptions): Promise<Findings> {
  const cases: Case[] = [];
  const { seconds, rounds } = options;
  for (const { name } of TRANSPORTS) {
    await options.resources.scope(async (resources) => {
      const world = await startUcxWorld({ ...options, resources }, name, 64 * MB);
      const [small, middle, large] = [await world.publish(8), await world.publish(MB), await world.publish(64 * MB)];
      const rates: number[] = [];
      for (let round = 0; round < rounds; round++) {
        rates.push((await world.run({ target: small, inflight: 512, seconds })).perSecond);
      }
      const rate = { on: "value", atLeast: 200_000 } as const;
      cases.push(makeCase(`UCX fetch, 512 of 8 B at once, ${name}`, median(rates), "/s", undefined, rate));
      const lags: number[] = [];
      const { value, floor } = await paired(
        rounds,
        async () => 64 * MB / (await world.run({ target: large, inflight: 1, seconds })).p50Us / 1e3,
        async () => {
          const { perSecond, lagP99Ms } = await world.run({ target: middle, inflight: 64, seconds });
          lags.push(lagP99Ms);
          return perSecond * MB / 1e9;
        },
      );
      const share = { on: "ratio", atLeast: 0.85 } as const;
      cases.push(makeCase(`UCX fetch, 64 of 1 MB at once, ${name}, beside one of 64 MB`, value, "GB/s", floor, share));
      const lag = { on: "value", atMost: 5 } as const;
      cases.push(makeCase(`lag of the event loop meanwhile, ${name}, p99`, median(lags), "ms", undefined, lag));
    });
  }
  return { cases, charts: [] };
}
