import { perftestBandwidth } from "../../floors/ucx-perftest.ts";
import { paired } from "../../lib/paired.ts";
import { type Case, makeCase } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";
import { MB, startUcxWorld, TRANSPORTS, ucxLibrary } from "./ucx-world.ts";

/** What is required of a size, and how often the floor sends it. */
const SIZES = [
  { bytes: 1_024 * MB, iterations: 6, atLeast: { posix: undefined, tcp: undefined } },
  { bytes: 64 * MB, iterations: 60, atLeast: { posix: 0.85, tcp: 0.85 } },
  { bytes: MB, iterations: 2_000, atLeast: { posix: undefined, tcp: 0.8 } },
] as const;

/** One tensor after the other, from JavaScript to JavaScript, beside what `ucx_perftest` sends one after the other. */
export async function ucxBandwidth(options: RunOptions): Promise<Findings> {
  const library = await ucxLibrary();
  const cases: Case[] = [];
  for (const { name, tls } of TRANSPORTS) {
    for (const { bytes, iterations, atLeast } of SIZES) {
      await options.resources.scope(async (resources) => {
        const world = await startUcxWorld({ ...options, resources }, name, bytes);
        const target = await world.publish(bytes);
        const { value, floor } = await paired(
          // Where nothing is required once is enough: some seconds each.
          atLeast.posix === undefined && atLeast.tcp === undefined ? 1 : options.rounds,
          () => perftestBandwidth(library, { tls, test: "ucp_am_bw", bytes, iterations }),
          async () => bytes / (await world.run({ target, inflight: 1, seconds: options.seconds })).p50Us / 1e3,
        );
        const least = atLeast[name];
        const demand = least === undefined ? undefined : { on: "ratio" as const, atLeast: least };
        cases.push(makeCase(`UCX fetch, ${bytes / MB} MB, ${name}`, value, "GB/s", floor, demand));
      });
    }
  }
  return { cases, charts: [] };
}
