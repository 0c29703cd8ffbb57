import { readFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { readJunit, type Report, type TestResult } from "./junit.ts";
import { type Ended, runCommand } from "./run-command.ts";
import { withTempFolder } from "./temp-folder.ts";
import type { TestRuntime } from "./test-runtimes.ts";

/** What became of the tests on one runtime. */
export interface RuntimeResult {
  readonly runtime: string;
  readonly results: readonly TestResult[];
}

/** A failure that no report holds. */
function failure(name: string, message: string): TestResult {
  return { name, file: undefined, outcome: "failed", message };
}

/** What a report cannot say by itself: files that never ran, a runtime that died. */
function unreported(runtime: TestRuntime, files: readonly string[], report: Report, { code, timedOut }: Ended): TestResult[] {
  const seen = new Set([...report.files].map((file) => relative(".", resolve(file))));
  const silent = files.filter((file) => runtime.namesFiles && !seen.has(file)).map((file) => failure(file, "Ran no test"));
  if (report.results.length === 0) silent.push(failure("the test run", "Ran no test"));
  if (timedOut) return [failure("the test run", "Killed for taking too long"), ...silent];
  const explained = silent.length > 0 || report.results.some(({ outcome }) => outcome === "failed");
  if (code !== 0 && !explained) return [failure("the test run", `Ended with code ${code} though no test failed`)];
  return silent;
}

/** Runs test files on one runtime, with its own output passed on. */
export function runTests(
  runtime: TestRuntime,
  files: readonly string[],
  options: { env: Record<string, string>; timeoutMs: number },
): Promise<RuntimeResult> {
  return withTempFolder(async (folder) => {
    const path = join(folder, "report.xml");
    const ended = await runCommand(runtime.name, runtime.arguments(files, path), options);
    const report = readJunit(await readFile(path, "utf8").catch(() => ""));
    return { runtime: runtime.name, results: [...report.results, ...unreported(runtime, files, report, ended)] };
  });
}
