/**
 * Builds the OpenTelemetry Collector that the tests of tracing send spans to: its own modules, put together as its builder does it. Needs
 * Go, and some minutes the first time; the result is kept in the cache. Without it those tests are skipped.
 *
 *     npm run collector
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { collectorPath } from "./lib/collector.ts";

const path = collectorPath();
mkdirSync(dirname(path), { recursive: true });
execFileSync("go", [
  "build",
  "-C",
  "test/telemetry/otelcol",
  "-trimpath",
  "-buildvcs=false",
  "-ldflags",
  "-s -w",
  "-o",
  path,
  ".",
], {
  stdio: "inherit",
  env: { ...process.env, CGO_ENABLED: "0" },
});
console.log(`Built ${path}`);
