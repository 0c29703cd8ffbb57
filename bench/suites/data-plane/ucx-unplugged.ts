import { Child } from "../../lib/child.ts";
import { wallMs } from "../../lib/clock.ts";
import { makeCase } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";
import { makeTwoHosts } from "../../lib/two-hosts.ts";
import type { UcxTarget } from "../../lib/ucx.ts";
import { MB } from "./ucx-world.ts";

const LIMIT_MS = 3_000;
const INFLIGHT = 8;

/** From the end of the cable in the middle of transfers until every fetch has failed: the worst round. Needs root. */
export async function ucxUnplugged(options: RunOptions): Promise<Findings> {
  if (process.getuid?.() !== 0) {
    console.error("   skipped: two hosts are made of network namespaces, which needs root");
    return { cases: [], charts: [] };
  }
  const took: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    await options.resources.scope(async (resources) => {
      const hosts = await makeTwoHosts(resources);
      const address = JSON.stringify({ host: "0.0.0.0", advertiseHost: hosts.addresses[0] });
      const start = (side: 0 | 1, file: string, ...args: string[]) =>
        Child.startThrough(hosts.on(side), resources, options.runtime, file, "tcp", ...args);
      const owner = await start(0, "bench/programs/ucx-owner.ts", String(64 * MB), address);
      const reader = await start(1, "bench/programs/ucx-reader.ts", String(128 * MB));
      const target = await owner.ask<UcxTarget>({ publishBytes: 64 * MB });
      const failed = reader.ask<{ failedAtMs: number }>({ untilFailed: { target, inflight: INFLIGHT } });
      await new Promise((resolve) => setTimeout(resolve, 500 + 100 * Math.random()));
      const unpluggedAtMs = wallMs();
      await hosts.unplug();
      took.push((await failed).failedAtMs - unpluggedAtMs);
    });
  }
  const demand = { on: "value", atMost: LIMIT_MS } as const;
  return {
    cases: [makeCase("host unplugged, until every fetch has failed", Math.max(...took), "ms", undefined, demand)],
    charts: [],
  };
}
