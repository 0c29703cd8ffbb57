import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { Child } from "../../lib/child.ts";
import { type Case, makeCase, median } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";
import { temporaryFolder } from "../../lib/temporary.ts";

const MB = 2 ** 20;
const SMALL_BYTES = 64;
const INFLIGHT = 256;

/** Workers of one sidecar: a look at another's tensor where it is, and the leases of small ones. */
export async function sameHost({ quick, rounds, seconds, runtime, resources }: RunOptions): Promise<Findings> {
  const bytes = quick ? MB : 64 * MB;
  const folder = await temporaryFolder(resources);
  await chmod(folder, 0o700);
  const options = {
    node: "bench",
    socketPath: join(folder, "node.sock"),
    budgetBytes: 512 * MB,
    segmentBytes: 96 * MB,
    ucx: false,
  };
  const sidecar = await Child.start(resources, "node", "bench/programs/node-sidecar.ts", JSON.stringify(options));
  const { address } = await sidecar.ask<{ address: string }>({});
  const start = () => Child.start(resources, runtime, "bench/programs/attached-worker.ts", address);
  const [owner, reader] = [await start(), await start()];
  const { waybill } = await owner.ask<{ waybill: string }>({ putBytes: bytes });
  await mustNotCopy(owner, reader, waybill);

  const looks: number[] = [];
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    looks.push((await reader.run({ target: waybill, payloadBytes: bytes, inflight: 1, seconds })).p50Us);
    const load = { target: "put-share-release", payloadBytes: SMALL_BYTES, inflight: INFLIGHT, seconds };
    rates.push((await owner.run(load)).perSecond);
  }
  const on = `on ${runtime}`;
  const cases: Case[] = [
    makeCase(`same host, arena to another process's view, ${bytes / MB} MB, p50, ${on}`, median(looks), "µs", undefined, {
      on: "value",
      atMost: 200,
    }),
    makeCase(`put + share + release, ${SMALL_BYTES} B, ${INFLIGHT} in flight, ${on}`, median(rates), "/s", undefined, {
      on: "value",
      atLeast: 10_000,
    }),
  ];
  return { cases, charts: [] };
}

/** What the owner writes after the reader has looked, the reader sees. */
async function mustNotCopy(owner: Child, reader: Child, waybill: string): Promise<void> {
  await reader.ask({ opens: waybill });
  for (const value of [7, 8]) {
    await owner.ask({ writes: value });
    const seen = await reader.ask<{ first: number; last: number }>({ reads: true });
    if (seen.first !== value || seen.last !== value) throw new Error(`It must read ${value}, got ${JSON.stringify(seen)}`);
  }
}
