/**
 * Prints which test covers which required behaviour, and fails when a behaviour has none or a test carries an unknown id.
 *
 *     npm run behaviours
 *
 * @module
 */
import { globSync, readFileSync } from "node:fs";
import { excludedBehaviours, pendingBehaviours, requiredBehaviours } from "../test/required-behaviours.ts";
import { behaviourTable, taggedTests } from "./lib/behaviour-table.ts";

// What a test of the table itself writes is no test.
const files = globSync("test/**/*.ts").filter((file) => file !== "test/scripts/behaviour-table.test.ts").sort();
const tests = files.flatMap((file) => taggedTests(file, readFileSync(file, "utf8")));
const requirements = { required: requiredBehaviours, pending: pendingBehaviours, excluded: excludedBehaviours };
const { lines, faults } = behaviourTable(tests, requirements);
const pending = Object.keys(pendingBehaviours).length;
const all = Object.keys(requiredBehaviours).length;
for (const line of [...lines, ...faults.map((fault) => `failed: ${fault}`)]) console.log(line);
console.log(`${all} behaviours, ${all - pending - faults.length} of them tested, ${pending} pending, ${faults.length} failed`);
process.exit(faults.length > 0 ? 1 : 0);
