import { join } from "node:path";
import { type Ended, runCommand } from "./run-command.ts";
import { withTempFolder } from "./temp-folder.ts";

/** What `buf generate` is told: the public messages, and those of Connect's conformance suite, which tests alone use. */
export const templates = ["buf.gen.yaml", "test/conformance/buf.gen.yaml"] as const;

const folders = ["gen", "test/conformance/gen"] as const;

/** Whether generated code is what the generator makes of the protocol files now. */
export function generatedAgrees(): Promise<Ended> {
  return withTempFolder(async (temp) => {
    for (const template of templates) {
      const made = await runCommand("buf", ["generate", "--template", template, "--output", temp], { capture: true });
      if (made.code !== 0) return made;
    }
    let last: Ended = { code: 1, timedOut: false, output: "nothing is generated" };
    for (const folder of folders) {
      last = await runCommand("git", ["diff", "--no-index", "--stat", folder, join(temp, folder)], { capture: true });
      if (last.code !== 0) return last;
    }
    return last;
  });
}
