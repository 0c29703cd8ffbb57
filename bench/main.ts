/**
 * Measures one suite: `npm run bench -- SUITE [--json FILE] [--quick] [--only SECTION] [--runtime node|bun|deno]`. Starts what it
 * needs, alternates product and floor in one run, prints a table; exits with 1 when a required case is missed.
 *
 * `npm run bench -- draw FILE...` draws the charts of reports again, without measuring.
 *
 * @module
 */
import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";
import { drawCharts } from "./lib/draw-charts.ts";
import type { Runtime } from "./lib/child.ts";
import { type Case, machine, printReport, type Report } from "./lib/report.ts";
import { Resources } from "./lib/resources.ts";
import type { Findings, RunOptions } from "./lib/suite.ts";
import { bundle } from "./suites/bundle.ts";
import { dataPlane } from "./suites/data-plane/mod.ts";
import { helloWorld } from "./suites/hello-world.ts";
import { queue } from "./suites/queue/mod.ts";
import { requestPlane } from "./suites/request-plane.ts";
import { streams } from "./suites/streams/mod.ts";

const SUITES: Record<string, (options: RunOptions) => Promise<Findings | Case[]>> = {
  "request-plane": requestPlane,
  queue,
  streams,
  "data-plane": dataPlane,
  "hello-world": helloWorld,
  bundle,
};
const RUNTIMES: readonly string[] = ["node", "bun", "deno"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string" },
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    runtime: { type: "string", default: "node" },
  },
});
const [command = "", ...files] = positionals;

if (command === "draw") {
  for (const file of files) await drawCharts(JSON.parse(await readFile(file, "utf8")) as Report, file);
  process.exit(0);
}
const run = SUITES[command];
if (run === undefined || files.length > 0 || !RUNTIMES.includes(values.runtime)) {
  const usage = "npm run bench -- SUITE [--json FILE] [--quick] [--only SECTION] [--runtime node|bun|deno]";
  console.error(`usage: ${usage}\n       npm run bench -- draw FILE...\nsuites: ${Object.keys(SUITES).join(", ")}`);
  process.exit(2);
}
const { quick, only, json } = values;
const resources = new Resources();
resources.closeOnSignals();
const thoroughness = quick ? { seconds: 0.5, rounds: 1 } : { seconds: 1, rounds: 5 };
try {
  const found = await run({ ...thoroughness, quick, only, runtime: values.runtime as Runtime, resources });
  const { cases, charts } = Array.isArray(found) ? { cases: found, charts: [] } : found;
  const report: Report = { suite: command, machine: machine(), cases, ...(charts.length > 0 ? { charts } : {}) };
  printReport(report);
  if (json !== undefined) {
    await writeFile(json, `${JSON.stringify(report, null, 2)}\n`);
    await drawCharts(report, json);
  }
  process.exitCode = cases.every(({ ok }) => ok) ? 0 : 1;
} catch (error) {
  // A signal ends what was measured, and then the process.
  if (resources.closing) await new Promise(() => {});
  console.error(error);
  process.exitCode = 1;
}
await resources[Symbol.asyncDispose]();
process.exit();
