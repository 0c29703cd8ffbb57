/**
 * Completes package-lock.json, after `npm install`, with the packages for other platforms that the registry in use does not have.
 *
 *     npm run lock
 *
 * @module
 */
import { readFile, writeFile } from "node:fs/promises";
import { type LockFile, missingPackages } from "./lib/lock-file.ts";

const lock: LockFile = JSON.parse(await readFile("package-lock.json", "utf8"));
const missing = missingPackages(lock);
const [root, ...rest] = Object.entries({ ...lock.packages, ...missing });
// npm's own order, so that its next write changes nothing else.
const sorted = rest.sort(([a], [b]) => a.localeCompare(b, "en"));
const packages = Object.fromEntries(root === undefined ? sorted : [root, ...sorted]);
await writeFile("package-lock.json", `${JSON.stringify({ ...lock, packages }, undefined, 2)}\n`);
console.log(`Added ${Object.keys(missing).length} packages for other platforms to package-lock.json`);
