/**
 * Runs every test on every runtime.
 *
 *     npm test -- [--runtime bun|deno|node]… [--results FILE] [PART OF A FILE NAME]…
 *
 * `--results` writes what every test did into a file, as JSON.
 *
 * @module
 */
import { globSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { locateBroker } from "../src/deployment/broker/locate.ts";
import { locateUcx } from "../src/native/ucx-library.ts";
import { ensureNative } from "./lib/native-build.ts";
import { runTests, type RuntimeResult } from "./lib/run-tests.ts";
import type { RecordedTest } from "./lib/support-table.ts";
import { runsOn, testRuntimes } from "./lib/test-runtimes.ts";

/** A whole suite on one runtime; what it starts is killed after that. */
const runtimeTimeoutMs = 1_200_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runtime: { type: "string", multiple: true }, results: { type: "string" } },
});
const runtimes = testRuntimes.filter(({ name }) => values.runtime?.includes(name) ?? true);
const files = globSync("test/**/*.test.ts").sort()
  .filter((file) => positionals.length === 0 || positionals.some((part) => file.includes(part)));

// Once for all of them: it may have to be built, and three runtimes must not do that at the same time.
const broker = await locateBroker({ log: (line) => console.log(`broker: ${line}`) });
const env: Record<string, string> = { NATS_SERVER_BIN: broker.path, ...(process.stdout.isTTY ? {} : { NO_COLOR: "1" }) };
const noAddon = await ensureNative((line) => console.log(line));
if (noAddon !== undefined) console.log(noAddon);
await locateUcx({ obtain: true, log: (line) => console.log(`UCX: ${line}`) });
const done: RuntimeResult[] = [];
for (const runtime of runtimes) {
  const own = files.filter((file) => runsOn(file, runtime.name));
  if (own.length === 0) continue;
  console.log(`\n── ${runtime.name}: ${own.length} files ──`);
  done.push(await runTests(runtime, own, { env, timeoutMs: runtimeTimeoutMs }));
}

const all = done.flatMap(({ runtime, results }) => results.map((result) => ({ runtime, ...result })));
if (values.results !== undefined) {
  const recorded: RecordedTest[] = all.map(({ runtime, name, outcome }) => ({ runtime, name, outcome }));
  writeFileSync(values.results, JSON.stringify(recorded, undefined, 2));
}
const count = (outcome: string, runtime?: string) =>
  all.filter((result) => result.outcome === outcome && (runtime ?? result.runtime) === result.runtime).length;

console.log("");
for (const { runtime } of done) {
  console.log(
    `${runtime}: ${count("passed", runtime)} passed, ${count("failed", runtime)} failed, ${count("skipped", runtime)} skipped`,
  );
}
for (const { runtime, name, message } of all.filter(({ outcome }) => outcome === "failed")) {
  console.log(`failed on ${runtime}: ${name}${message === undefined ? "" : `: ${message}`}`);
}
const skipped = Map.groupBy(all.filter(({ outcome }) => outcome === "skipped"), ({ name }) => name);
for (const [name, on] of skipped) {
  const [, what, reason] = /^(.*) \(skipped: (.*)\)$/s.exec(name) ?? [undefined, name, "no reason given"];
  console.log(`skipped on ${on.map(({ runtime }) => runtime).join(", ")}: ${what}: ${reason}`);
}
if (all.length === 0) console.log(`No test ran: nothing in test/ fits ${JSON.stringify(positionals)}`);
console.log(`${count("passed")} passed, ${count("failed")} failed`);
process.exit(count("failed") > 0 || count("passed") === 0 ? 1 : 0);
