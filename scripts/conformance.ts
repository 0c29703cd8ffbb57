/**
 * Runs Connect's official conformance suite against our client and our server, with the bus between them: on each way that a call
 * can travel, over TCP and over a websocket, on each runtime. And against our client of nodes by `fetch`, with the runner's own
 * server at the other end (`--way fetch`).
 *
 *     npm run conformance -- [--if-go] [--way WAY]… [-- RUNNER'S OPTION…]
 *
 * Where the runner cannot be built, since there is no Go or no network, it fails; with `--if-go` it only says so. Totals are those of the runner, whose output
 * follows where a case fails.
 *
 * @module
 */
import { globSync } from "node:fs";
import { parseArgs } from "node:util";
import { launchNatsServer } from "../src/testing/nats-server.ts";
import { conformanceRunner, conformanceVersion, NoRunner } from "./lib/conformance-runner.ts";
import { runCommand } from "./lib/run-command.ts";

/** What is run: every way, each runtime on both sides, both kinds of connection. */
const runs = [
  { way: "service", client: "node", server: "bun", connection: "tcp" },
  { way: "direct", client: "bun", server: "deno", connection: "websocket" },
  { way: "directed", client: "deno", server: "node", connection: "tcp" },
  { way: "queue", client: "node", server: "node", connection: "websocket" },
  { way: "at-most-once", client: "bun", server: "bun", connection: "tcp" },
] as const;

/** A command of the runner, and what it counted. */
interface Totals {
  passed: number;
  failed: number;
}

/** How each runtime is told to run a file. */
const commands = {
  node: ["node"],
  bun: ["bun"],
  deno: ["deno", "run", "-A", "--no-check"],
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "if-go": { type: "boolean" }, way: { type: "string", multiple: true } },
});

const runner = await conformanceRunner((line) => console.log(line)).catch((error: unknown) => {
  if (!(error instanceof NoRunner)) throw error;
  console.log(`skipped: Connect's conformance suite was not run: ${error.message}`);
  console.log("0 passed, 0 failed");
  process.exit(values["if-go"] ? 0 : 1);
});

const folder = "test/conformance";
const official = globSync(`${folder}/suites/*.yaml`).sort().flatMap((file) => ["--test-file", file]);
let passed = 0;
let failed = 0;

/** Runs the runner, and adds what it counted. */
async function count(
  totals: Totals,
  options: readonly string[],
  programs: readonly string[],
  env: Record<string, string> = {},
) {
  const { code, output } = await runCommand(runner, [...options, ...positionals, "--", ...programs], {
    capture: true,
    timeoutMs: 300_000,
    env,
  });
  const [, good, bad] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? [];
  totals.passed += Number(good ?? 0);
  totals.failed += Math.max(Number(bad ?? 0), code === 0 && good !== undefined ? 0 : 1);
  if (code !== 0 || good === undefined) console.log(output.trimEnd());
}

/** Says what was counted, and adds it to all. */
function tell(where: string, totals: Totals, start: number) {
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `${where}: ${totals.passed + totals.failed} cases, ${totals.passed} passed, ${totals.failed} failed (${seconds} s)`,
  );
  passed += totals.passed;
  failed += totals.failed;
}

const broker = await launchNatsServer();
try {
  for (const { way, client, server, connection } of runs) {
    if (values.way !== undefined && !values.way.includes(way)) continue;
    const url = connection === "tcp" ? broker.tcpUrl : broker.wsUrl as string;
    const totals = { passed: 0, failed: 0 };
    const start = performance.now();
    for (const suites of [[], official]) {
      const programs = [...commands[client], `${folder}/client.ts`, "----", ...commands[server], `${folder}/server.ts`];
      const options = ["--mode", "both", "--conf", `${folder}/conformance.yaml`, ...suites];
      const namespace = crypto.randomUUID().slice(0, 8);
      await count(totals, options, programs, {
        CONFORMANCE_BROKER: url,
        CONFORMANCE_NAMESPACE: namespace,
        CONFORMANCE_WAY: way,
      });
    }
    tell(`${way}, over ${connection}, ${client} calls ${server}`, totals, start);
  }
  for (const client of ["node", "bun", "deno"] as const) {
    if (values.way !== undefined && !values.way.includes("fetch")) continue;
    const totals = { passed: 0, failed: 0 };
    const start = performance.now();
    const options = ["--mode", "client", "--conf", `${folder}/fetch.yaml`];
    await count(totals, options, [...commands[client], `${folder}/fetch-client.ts`]);
    tell(`fetch, over HTTP/1.1, ${client} calls the runner's own server`, totals, start);
  }
} finally {
  await broker.stop();
}
console.log(`Connect's conformance suite v${conformanceVersion}: ${passed + failed} cases`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
