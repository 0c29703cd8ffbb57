/**
 * Checks everything that has to hold beside the tests: one line a step, the output of what failed, then totals.
 *
 *     npm run check -- [--update-baseline] [PART OF A STEP'S NAME]…
 *
 * `--update-baseline` accepts the messages in proto/ as what later ones have to be compatible with.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { baseline, checkSteps } from "./lib/check-steps.ts";
import { runCommand } from "./lib/run-command.ts";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { "update-baseline": { type: "boolean" } } });

if (values["update-baseline"] === true) {
  const { code } = await runCommand("buf", ["build", "--exclude-source-info", "-o", baseline]);
  process.exit(code);
}

let passed = 0;
let failed = 0;
for (
  const step of checkSteps.filter(({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)))
) {
  const start = performance.now();
  const reason = await step.whyNot?.();
  if (reason !== undefined) {
    console.log(`skipped ${step.name}: ${reason}`);
    continue;
  }
  const { code, output } = await step.run();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${code === 0 ? "ok    " : "failed"} ${step.name} (${seconds} s)`);
  if (code === 0) passed++;
  else {
    failed++;
    console.log(output.trimEnd().replaceAll(/^/gm, "    "));
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
