import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Ended, runCommand } from "../../scripts/lib/run-command.ts";

/** This repository. */
export const repository: string = fileURLToPath(new URL("../..", import.meta.url));

// Deno trusts its own list alone, and the registry may stand behind a proxy that npm trusts with the machine's list.
const trust = { DENO_TLS_CA_STORE: "mozilla,system" };

/** A folder that has nothing to do with this repository. */
export interface Outside {
  readonly folder: string;
  /** Writes files into it, by path. */
  write(files: Readonly<Record<string, string>>): Promise<void>;
  /** Runs a command in one of its folders, and fails with what it printed when it fails. */
  run(command: readonly string[], folder?: string): Promise<string>;
  remove(): Promise<void>;
}

/** Makes an empty folder. */
export async function openOutside(): Promise<Outside> {
  const folder = await mkdtemp(join(tmpdir(), "waybill-outside-"));
  return {
    folder,
    async write(files) {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(folder, path)), { recursive: true });
        await writeFile(join(folder, path), text);
      }
    },
    async run([command = "", ...args], below = ".") {
      const options = { cwd: join(folder, below), capture: true, timeoutMs: 180_000, env: trust };
      const ended: Ended = await runCommand(command, args, options);
      if (ended.code !== 0) throw new Error(`${command} ${args.join(" ")} ended with code ${ended.code}:\n${ended.output}`);
      return ended.output;
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Why nothing can be installed here, or `undefined` where it can. */
export async function registryFault(): Promise<string | undefined> {
  const { code } = await runCommand("npm", ["view", "nats", "version", "--fetch-retries=0", "--fetch-timeout=10000"], {
    capture: true,
  });
  return code === 0 ? undefined : "the package registry does not answer";
}
