import { readFile } from "node:fs/promises";

/** The oldest UCX that is preferred to one which has to be fetched; 1.13, of Debian 12, cannot talk to newer ones. */
const preferred: readonly [number, number] = [1, 14];

/** Reads the version out of a UCX library without opening it: one that is opened stays so for as long as the process. */
export async function readUcxVersion(path: string): Promise<string | undefined> {
  return /(1\.\d{1,3}\.\d{1,3})\0/.exec((await readFile(path)).toString("latin1"))?.[1];
}

/** Whether a version is preferred to one that would have to be fetched. An unknown one is: somebody built it. */
export function isPreferredUcx(version: string | undefined): boolean {
  if (version === undefined) return true;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > preferred[0] || (major === preferred[0] && minor >= preferred[1]);
}
