import { globSync } from "node:fs";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Ended, runCommand } from "./run-command.ts";
import { slimNats } from "./slim-nats.ts";
import { webBundle } from "./web-bundle.ts";

/** References that tsc leaves as they are: those of declarations, and the files of worker threads. */
const leftOver = [
  /((?:from|import)\s*\(?")(\.{1,2}\/[^"\n]+)\.ts(?=")/g,
  /(new URL\(")(\.{1,2}\/[^"\n]+)\.ts(?=", import\.meta\.url\))/g,
];

/** What `waybill init` copies, as it is. */
const template = "src/cli/init/template";

/**
 * Makes what is published of the sources: JavaScript and declarations, the part of `nats.ws` that bundles for browsers get (`browser`
 * in package.json), and the client as one file.
 *
 * @param folder where; default `dist`, which is emptied first
 */
export async function emit(folder: string = "dist"): Promise<Ended> {
  await rm(folder, { recursive: true, force: true });
  const compiled = await runCommand("tsc", ["--project", "tsconfig.build.json", "--outDir", folder], { capture: true });
  if (compiled.code !== 0) return compiled;
  for (const file of globSync(`${folder}/**/*.{js,d.ts}`)) {
    const text = await readFile(file, "utf8");
    const changed = leftOver.reduce((before, pattern) => before.replace(pattern, "$1$2.js"), text);
    if (changed !== text) await writeFile(file, changed);
  }
  await mkdir(join(folder, "browser"), { recursive: true });
  await writeFile(join(folder, "browser/nats-ws.js"), await slimNats());
  await writeFile(join(folder, "waybill.js"), (await webBundle("mod.ts")).code);
  await writeFile(join(folder, "waybill.d.ts"), `export * from "./mod.js";\n`);
  await cp(template, join(folder, template), { recursive: true });
  return compiled;
}
