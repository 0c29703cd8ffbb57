import { readdir, readFile } from "node:fs/promises";
import { isRunning, until } from "../support/program.ts";

/** A process and all that it started, directly or not, as long as their parents live. */
export async function familyOf(pid: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    // After the name in parentheses: the state, then the parent.
    parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const family = [pid];
  for (const member of family) for (const [child, parent] of parents) if (parent === member) family.push(child);
  return family;
}

/** Waits until none of some processes runs any more. */
export function untilGone(pids: readonly number[]): Promise<void> {
  return until(`processes ${pids.join(" ")} have ended`, async () => {
    for (const pid of pids) if (await isRunning(pid)) return false;
    return true;
  }, 20_000);
}

/** What the kernel counted for a process: bytes by `read` and `write` and their kin, sockets included. */
export async function ioOf(pid: number | "self"): Promise<{ read: number; written: number }> {
  const text = await readFile(`/proc/${pid}/io`, "utf8");
  const field = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(text)?.[1]);
  return { read: field("rchar"), written: field("wchar") };
}
