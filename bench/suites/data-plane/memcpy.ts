import { type Case, makeCase, median } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";

const MB = 2 ** 20;

/** What copying costs here at all: the floor of whatever moves bytes within one host. */
export function memcpy({ quick, rounds }: RunOptions): Promise<Findings> {
  const cases: Case[] = [];
  for (const bytes of quick ? [MB] : [MB, 64 * MB]) {
    const [from, to] = [new Uint8Array(bytes).fill(1), new Uint8Array(bytes).fill(2)];
    const rates: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const copies = Math.ceil((512 * MB) / bytes);
      const started = performance.now();
      for (let copy = 0; copy < copies; copy++) to.set(from);
      rates.push((copies * bytes) / (performance.now() - started) / 1e6);
    }
    cases.push(makeCase(`memcpy, ${bytes / MB} MB`, median(rates), "GB/s"));
  }
  return Promise.resolve({ cases, charts: [] });
}
