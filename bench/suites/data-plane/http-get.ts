import { Child } from "../../lib/child.ts";
import { paired } from "../../lib/paired.ts";
import { makeCase } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";

const MB = 2 ** 20;

/** A tensor of a store in Node, fetched over HTTP by Bun, beside a file of the same size by `node:http` and `fetch`. */
export async function httpGet({ quick, rounds, seconds, resources }: RunOptions): Promise<Findings> {
  const bytes = quick ? MB : 64 * MB;
  const owner = await Child.start(resources, "node", "bench/programs/tensor-owner.ts");
  const server = await Child.start(resources, "node", "bench/floors/file-server.ts", String(bytes));
  const reader = await Child.start(resources, "bun", "bench/programs/tensor-reader.ts");
  const fetcher = await Child.start(resources, "bun", "bench/floors/file-reader.ts");
  const { waybill } = await owner.ask<{ waybill: string }>({ putBytes: bytes });
  const { url } = await server.ask<{ url: string }>({});
  const load = { payloadBytes: bytes, inflight: 1, seconds };
  const { value, floor } = await paired(
    rounds,
    async () => (await fetcher.run({ ...load, target: url })).perSecond * bytes / 1e9,
    async () => (await reader.run({ ...load, target: waybill })).perSecond * bytes / 1e9,
  );
  const name = `HTTP get, ${bytes / MB} MB, Node to Bun`;
  return { cases: [makeCase(name, value, "GB/s", floor, { on: "ratio", atLeast: 0.5 })], charts: [] };
}
