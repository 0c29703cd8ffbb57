/**
 * Builds the native addon, where a compiler is.
 *
 *     npm run native -- [--force]
 *
 * @module
 */
import { parseArgs } from "node:util";
import { builtAddon, ensureNative } from "./lib/native-build.ts";

const { values } = parseArgs({ options: { force: { type: "boolean" } } });
const start = performance.now();
const fault = await ensureNative((line) => console.log(line), values.force);
if (fault === undefined) console.log(`${builtAddon} is current (${((performance.now() - start) / 1000).toFixed(1)} s)`);
else console.error(fault);
process.exit(fault === undefined ? 0 : 1);
