/**
 * Builds and fetches what sidecars use, unless it is there, and says what is missing. Without it they work too: never fails.
 *
 *     node scripts/run.mjs scripts/set-up-sidecars.ts
 *
 * @module
 */
import process from "node:process";
import { setUpSidecars } from "./lib/set-up-sidecars.ts";

for (const fault of await setUpSidecars((line) => console.error(line))) console.error(fault);
process.exit(0);
