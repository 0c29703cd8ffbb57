import { cpus, totalmem } from "node:os";
import type { Chart } from "./chart.ts";

/** One line of a report. */
export interface Case {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the floor reached in the same run. */
  readonly floor: number | undefined;
  /** `value` against `floor`. */
  readonly ratio: number | undefined;
  /** What is demanded, such as `"ratio <= 1.3"`. */
  readonly required?: string;
  readonly ok: boolean;
}

/** What a suite gives. */
export interface Report {
  readonly suite: string;
  readonly machine: string;
  readonly cases: readonly Case[];
  readonly charts?: readonly Chart[];
}

/** A demand on a case. */
export type Demand = { readonly on: "ratio" | "value"; readonly atMost: number } | {
  readonly on: "ratio" | "value";
  readonly atLeast: number;
};

/** Makes a case; one without a demand is always ok. */
export function makeCase(name: string, value: number, unit: string, floor?: number, demand?: Demand): Case {
  const ratio = floor === undefined ? undefined : value / floor;
  if (demand === undefined) return { name, value, unit, floor, ratio, ok: true };
  const seen = demand.on === "ratio" ? ratio ?? NaN : value;
  const ok = "atMost" in demand ? seen <= demand.atMost : seen >= demand.atLeast;
  const required = "atMost" in demand ? `${demand.on} <= ${demand.atMost}` : `${demand.on} >= ${demand.atLeast}`;
  return { name, value, unit, floor, ratio, required, ok };
}

/** Which machine a report is from. */
export function machine(): string {
  const list = cpus();
  return `${list.length} x ${list[0]?.model.trim() ?? "unknown CPU"}, ${
    Math.round(totalmem() / 2 ** 30)
  } GiB, ${process.platform}`;
}

/** Prints a report as a table. */
export function printReport({ suite, machine, cases }: Report): void {
  console.log(`\n${suite} on ${machine}\n`);
  const rows = cases.map(({ name, value, unit, floor, ratio, required, ok }) => [
    name,
    `${figure(value)} ${unit}`,
    floor === undefined ? "" : figure(floor),
    ratio === undefined ? "" : ratio.toFixed(2),
    required ?? "",
    required === undefined ? "" : ok ? "reached" : "MISSED",
  ]);
  const table = [["case", "measured", "floor", "ratio", "required", ""], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  for (const row of table) {
    console.log(
      row.map((cell, column) => column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)).join("  "),
    );
  }
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

/** The middle one. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
