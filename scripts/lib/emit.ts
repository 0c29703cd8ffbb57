import { globSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { type Ended, runCommand } from "./run-command.ts";

/** References that tsc leaves as they are: those of declarations, and the files of worker threads. */
const leftOver = [
  /((?:from|import)\s*\(?")(\.{1,2}\/[^"\n]+)\.ts(?=")/g,
  /(new URL\(")(\.{1,2}\/[^"\n]+)\.ts(?=", import\.meta\.url\))/g,
];

/** Makes dist/ of the sources: JavaScript and declarations, for publishing. */
export async function emit(): Promise<Ended> {
  await rm("dist", { recursive: true, force: true });
  const compiled = await runCommand("tsc", ["--project", "tsconfig.build.json"], { capture: true });
  if (compiled.code !== 0) return compiled;
  for (const file of globSync("dist/**/*.{js,d.ts}")) {
    const text = await readFile(file, "utf8");
    const changed = leftOver.reduce((before, pattern) => before.replace(pattern, "$1$2.js"), text);
    if (changed !== text) await writeFile(file, changed);
  }
  return compiled;
}
