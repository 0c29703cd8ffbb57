/**
 * Writes measured figures into the README, from the reports in `bench/results`, which the benches wrote:
 *
 *     npm run bench -- SUITE --json bench/results/SUITE.json
 *     npm run bench-table
 *
 * @module
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import type { Case, Report } from "../bench/lib/report.ts";

const RESULTS = "bench/results";
const SECTION = /(<!-- bench:start -->)[\s\S]*?(<!-- bench:end -->)/;

function row({ name, value, unit, floor, ratio, required, ok }: Case): string {
  const figure = (number: number) => number >= 100 ? Math.round(number).toLocaleString("en") : number.toPrecision(3);
  const cells = [
    name.trim(),
    `${figure(value)} ${unit}`,
    floor === undefined ? "" : figure(floor),
    ratio === undefined ? "" : ratio.toFixed(2),
    required === undefined ? "" : `${required}${ok ? "" : ", **missed**"}`,
  ];
  return `| ${cells.join(" | ")} |`;
}

function table({ suite, machine, cases }: Report): string {
  const shown = cases.filter(({ required }) => required !== undefined);
  return [
    `\`${suite}\` on ${machine}:`,
    "",
    "| case | measured | floor | ratio | required |",
    "| --- | ---: | ---: | ---: | --- |",
    ...shown.map(row),
  ].join("\n");
}

const files = (await readdir(RESULTS)).filter((file) => file.endsWith(".json")).sort();
const reports = await Promise.all(
  files.map(async (file) => JSON.parse(await readFile(`${RESULTS}/${file}`, "utf8")) as Report),
);
const section = reports.map(table).join("\n\n");
const readme = await readFile("README.md", "utf8");
await writeFile("README.md", readme.replace(SECTION, (_all, start: string, end: string) => `${start}\n${section}\n${end}`));
console.log(section);
