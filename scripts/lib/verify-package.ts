import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Ended, runCommand } from "./run-command.ts";
import { withTempFolder } from "./temp-folder.ts";

/** Packs dist/ as npm would publish it, and has the tarball judged. */
export function verifyPackage(): Promise<Ended> {
  return withTempFolder(async (folder) => {
    const steps = [
      ["npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", folder],
      ["publint", "run", "--strict"],
      // There is no CommonJS build, and Node from 22.12 on can require the ES modules.
      ["attw", "--profile", "esm-only", "--no-emoji", "--no-color"],
    ];
    let output = "";
    for (const [command = "", ...args] of steps) {
      const tarball = (await readdir(folder)).map((name) => join(folder, name));
      const ended = await runCommand(command, [...args, ...tarball], { capture: true });
      output += ended.output;
      if (ended.code !== 0) return { ...ended, output };
    }
    return { code: 0, timedOut: false, output };
  });
}
