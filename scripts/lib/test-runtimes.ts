import { testTimeoutMs } from "../../test/support/limits.ts";

/** A runtime that the tests run on. */
export interface TestRuntime {
  /** Its name, which is its command too: scripts/run.mjs puts the pinned ones first in PATH. */
  readonly name: string;
  /** Whether its report says which file a test is from. Behind test/shim.ts every test seems to come from there. */
  readonly namesFiles: boolean;
  /** Arguments that run these test files and write a JUnit report. */
  arguments(files: readonly string[], report: string): string[];
}

/** In the order in which they run: the quickest first. */
export const testRuntimes: readonly TestRuntime[] = [
  {
    name: "bun",
    namesFiles: true,
    arguments: (files, report) => [
      "test",
      `--timeout=${testTimeoutMs}`,
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      // Bun takes a bare path as a pattern.
      ...files.map((file) => `./${file}`),
    ],
  },
  {
    name: "deno",
    namesFiles: false,
    arguments: (files, report) => ["test", "-A", "--no-check", `--junit-path=${report}`, ...files],
  },
  {
    name: "node",
    namesFiles: false,
    arguments: (files, report) => [
      "--import=./test/hooks.mjs",
      "--test",
      // A file may leave a connection open that Bun and Deno do not wait for either.
      "--test-force-exit",
      // Most files wait for processes and time limits more than they compute.
      "--test-concurrency=2",
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      "--test-reporter=junit",
      `--test-reporter-destination=${report}`,
      ...files,
    ],
  },
];

/** Whether a file is for this runtime: `name.bun.test.ts` is for Bun only. */
export function runsOn(file: string, runtime: string): boolean {
  const only = /\.(bun|deno|node)\.test\.ts$/.exec(file)?.[1];
  return only === undefined || only === runtime;
}
