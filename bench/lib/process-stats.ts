import { readFile } from "node:fs/promises";

/** Linux counts processor time in these units, whatever the kernel's own clock. */
const TICKS_PER_SECOND = 100;

/** What a process uses. */
export interface ProcessStats {
  /** Resident memory. */
  readonly rssBytes: number;
  /** Processor time since it began. */
  readonly cpuSeconds: number;
}

/** Reads what a process uses from `/proc`; zeros once it is gone. */
export async function statsOf(pid: number): Promise<ProcessStats> {
  try {
    const [stat, status] = await Promise.all([readFile(`/proc/${pid}/stat`, "utf8"), readFile(`/proc/${pid}/status`, "utf8")]);
    // The name may hold spaces; what follows its parenthesis does not. Fields 14 and 15 are user and system time.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    const rss = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    return { rssBytes: rss * 1024, cpuSeconds: ticks / TICKS_PER_SECOND };
  } catch {
    return { rssBytes: 0, cpuSeconds: 0 };
  }
}

/** Of several processes together. */
export async function statsOfAll(pids: readonly number[]): Promise<ProcessStats> {
  const all = await Promise.all(pids.map(statsOf));
  return {
    rssBytes: all.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
    cpuSeconds: all.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
  };
}

/**
 * Checks that a process may open that many files, before thousands of sockets fail one by one.
 *
 * @throws {Error} which says how to raise the limit
 */
export async function requireOpenFiles(wanted: number, forWhat: string): Promise<void> {
  const limits = await readFile("/proc/self/limits", "utf8");
  const [, soft = "0", hard = "0"] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits) ?? [];
  const limit = soft === "unlimited" ? Infinity : Number(soft);
  if (limit >= wanted) return;
  const how = hard === "unlimited" || Number(hard) >= wanted
    ? `run "ulimit -n ${wanted}" in this shell first`
    : `the hard limit is ${hard}: an administrator must raise it (LimitNOFILE=, /etc/security/limits.conf)`;
  throw new Error(`Cannot measure ${forWhat}: a process needs ${wanted} open files, the limit is ${soft}; ${how}`);
}
