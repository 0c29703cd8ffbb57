import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

/** What the doctor says of one thing. */
export interface Finding {
  /** What was looked at. */
  readonly name: string;
  /** `ok` is there and will do, `warning` is there and may not do, `missing` is not there. */
  readonly state: "ok" | "warning" | "missing";
  /** Whether nothing works without it. */
  readonly required: boolean;
  /** What was seen. */
  readonly found: string;
  /** What to do about it. */
  readonly advice?: string;
}

const run = promisify(execFile);

/** What a command prints, `undefined` when it fails or is not there. */
export async function output(command: string, ...args: string[]): Promise<string | undefined> {
  return await run(command, args, { timeout: 10_000 }).then(({ stdout }) => stdout.trim(), () => undefined);
}

/** The first of these files that is there. */
export async function firstFile(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await access(path, constants.R_OK).then(() => true, () => false)) return path;
  return undefined;
}

/** Folders in which a shell looks for programs, without those that npm adds. */
export function shellPath(): string[] {
  return (process.env.PATH ?? "").split(delimiter).filter((folder) =>
    folder !== "" && !folder.endsWith(join("node_modules", ".bin"))
  );
}
