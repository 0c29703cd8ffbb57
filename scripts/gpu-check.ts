/**
 * Checks memory on this machine's GPUs, with the same list of checks that the tests run against a stand-in. Without a GPU it says so.
 *
 *     npm run gpu-check
 *
 * @module
 */
import { loadNative, openCuda } from "../src/native/mod.ts";
import { gpuChecks } from "../test/sidecar/gpu/checks.ts";
import { ensureNative } from "./lib/native-build.ts";

/** Ends the program: what could not run is no failure. */
function notRun(reason: string): never {
  console.log(`not run: no GPU here (${reason})`);
  process.exit(0);
}

const fault = await ensureNative((line) => console.log(line));
const { addon, unavailable } = loadNative();
if (addon === undefined) notRun(fault ?? unavailable);
const cuda = openCuda(addon);
if (cuda.driver === undefined) notRun(cuda.unavailable);

for (const [ordinal, { name, totalBytes, freeBytes }] of cuda.devices.entries()) {
  console.log(`GPU ${ordinal}: ${name}, ${Math.round(freeBytes / 2 ** 20)} of ${Math.round(totalBytes / 2 ** 20)} MiB free`);
}
let failed = 0;
for (const { name, run } of gpuChecks) {
  try {
    const note = await run({ addon, cuda });
    console.log(`ok      ${name}${note === undefined ? "" : ` (${note})`}`);
  } catch (error) {
    failed++;
    console.log(`failed  ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
console.log(`${gpuChecks.length - failed} passed, ${failed} failed, CUDA ${cuda.version}`);
process.exit(failed === 0 ? 0 : 1);
