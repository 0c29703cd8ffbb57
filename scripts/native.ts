/**
 * Builds the native addon, where a compiler is; with `test`, builds and runs its own tests, under sanitizers.
 *
 *     npm run native -- [--force] [test [PART OF A CASE'S NAME]…]
 *
 * @module
 */
import { parseArgs } from "node:util";
import { builtAddon, ensureNative } from "./lib/native-build.ts";
import { runNativeTests, whyNoNativeTests } from "./lib/native-tests.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { force: { type: "boolean" } },
});

async function build(): Promise<number> {
  const start = performance.now();
  const fault = await ensureNative((line) => console.log(line), values.force);
  if (fault === undefined) console.log(`${builtAddon} is current (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  else console.error(fault);
  return fault === undefined ? 0 : 1;
}

async function test(filters: string[]): Promise<number> {
  const reason = await whyNoNativeTests();
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`);
    return 0;
  }
  const { code, output } = await runNativeTests(filters);
  console.log(output.trimEnd());
  return code;
}

const [what, ...filters] = positionals;
if (what !== undefined && what !== "test") {
  console.error(`Usage: npm run native -- [--force] [test [PART OF A CASE'S NAME]…], got "${what}"`);
  process.exit(2);
}
process.exit(what === "test" ? await test(filters) : await build());
