/**
 * Measures one suite: `npm run bench -- SUITE [--json FILE] [--quick]`. Starts what it needs, alternates product and floor in
 * one run, prints a table; exits with 1 when a required case fails.
 *
 * @module
 */
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Case, machine, printReport } from "./lib/report.ts";
import { bundle } from "./suites/bundle.ts";
import { helloWorld } from "./suites/hello-world.ts";
import { requestPlane, type RunOptions } from "./suites/request-plane.ts";

const SUITES: Record<string, (options: RunOptions) => Promise<Case[]>> = {
  "request-plane": requestPlane,
  "hello-world": helloWorld,
  bundle,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "string" }, quick: { type: "boolean", default: false } },
});
const suite = positionals[0] ?? "";
const run = SUITES[suite];
if (run === undefined || positionals.length !== 1) {
  console.error(`usage: npm run bench -- SUITE [--json FILE] [--quick]\nsuites: ${Object.keys(SUITES).join(", ")}`);
  process.exit(2);
}
const cases = await run(values.quick ? { seconds: 0.5, rounds: 1 } : { seconds: 1, rounds: 5 });
const report = { suite, machine: machine(), cases };
printReport(report);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
process.exit(cases.every(({ ok }) => ok) ? 0 : 1);
