import { launchNatsServer } from "../../../src/testing/nats-server.ts";
import type { Observation } from "../../programs/observation.ts";
import { Child } from "../../lib/child.ts";
import type { Load } from "../../lib/measure.ts";
import { paired } from "../../lib/paired.ts";
import { statsOfAll } from "../../lib/process-stats.ts";
import { type Case, makeCase, median } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";

const LOAD = { payloadBytes: 128, inflight: 64 } as const;
const AT_LEAST = 0.9;

const WATCHED: readonly (readonly [Observation, string])[] = [
  ["metrics", "metrics"],
  ["sampled", "metrics, and traces of 1 in 100 calls"],
  ["traced", "metrics, and traces of all calls"],
];
const TARGETS = [["echo", "takes no time, 64 slots"], ["hold-2", "takes 2 ms, 5 slots"]] as const;

/** A worker and its client, both watched in the same way. */
class Watched {
  readonly #worker: Child;
  readonly #client: Child;
  /** Of both together for a request, by load. */
  readonly cpuMicros: number[] = [];

  constructor(worker: Child, client: Child) {
    this.#worker = worker;
    this.#client = client;
  }

  async rate(load: Load): Promise<number> {
    const pids = [this.#worker.pid, this.#client.pid];
    const before = await statsOfAll(pids);
    const { perSecond, requests } = await this.#client.run(load);
    this.cpuMicros.push(1e6 * ((await statsOfAll(pids)).cpuSeconds - before.cpuSeconds) / requests);
    return perSecond;
  }
}

/** What watching costs, on both sides at once: the rate with metrics and traces against the rate of the same without either. */
export async function observation(options: RunOptions): Promise<Findings> {
  const { resources, runtime } = options;
  const broker = await resources.start(launchNatsServer());
  const start = async (observation: Observation) => {
    const args = [broker.tcpUrl, observation] as const;
    const worker = await Child.start(resources, runtime, "bench/programs/observed-worker.ts", ...args);
    const client = await Child.start(resources, runtime, "bench/programs/observed-client.ts", ...args);
    const watched = new Watched(worker, client);
    // Compiled by the time that it is compared with one that has run for longer.
    for (const [target] of TARGETS) await watched.rate({ ...LOAD, target, seconds: options.quick ? 1 : 3 });
    return watched;
  };
  const off = await start("off");
  const cases: Case[] = [];
  for (const [watched, what] of WATCHED) {
    const on = await start(watched);
    for (const [target, operator] of TARGETS) {
      const load = { ...LOAD, target, seconds: options.seconds };
      for (const side of [off, on]) side.cpuMicros.length = 0;
      const { value, floor } = await paired(Math.max(options.rounds, 3), () => off.rate(load), () => on.rate(load));
      cases.push(
        makeCase(`${what}: ${operator}`, value, "requests/s", floor, { on: "ratio", atLeast: AT_LEAST }),
        makeCase("  processor time of client and worker", median(on.cpuMicros), "us/request", median(off.cpuMicros)),
      );
    }
  }
  return { cases, charts: [] };
}
