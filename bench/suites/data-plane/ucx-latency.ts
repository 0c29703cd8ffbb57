import { type Case, makeCase, median } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";
import { MB, startUcxWorld, TRANSPORTS } from "./ucx-world.ts";

const ALONE_US = { posix: 40, tcp: 80 };
const BESIDE_MS = { posix: 1, tcp: 3 };

/** 8 bytes from JavaScript to JavaScript, alone and while 64 MB after 64 MB go between the same two processes. */
export async function ucxLatency(options: RunOptions): Promise<Findings> {
  const cases: Case[] = [];
  for (const { name } of TRANSPORTS) {
    await options.resources.scope(async (resources) => {
      const world = await startUcxWorld({ ...options, resources }, name, 64 * MB);
      const small = await world.publish(8);
      const large = await world.publish(64 * MB);
      const alone: number[] = [];
      const busy: number[] = [];
      for (let round = 0; round < options.rounds; round++) {
        const load = { target: small, inflight: 1, seconds: options.seconds };
        alone.push((await world.run(load)).p50Us);
        busy.push((await world.run({ ...load, beside: large })).p50Us / 1e3);
      }
      cases.push(
        makeCase(`UCX fetch, 8 B, ${name}, p50`, median(alone), "us", undefined, { on: "value", atMost: ALONE_US[name] }),
      );
      const demand = { on: "value", atMost: BESIDE_MS[name] } as const;
      cases.push(makeCase(`UCX fetch, 8 B while 64 MB are moving, ${name}, p50`, median(busy), "ms", undefined, demand));
    });
  }
  return { cases, charts: [] };
}
