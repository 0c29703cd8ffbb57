import { readFile, statfs } from "node:fs/promises";
import type { Finding } from "./finding.ts";

const gib = 2 ** 30;

/** Shared memory, which tensors of one machine live in. */
export async function examineSharedMemory(): Promise<Finding> {
  const about = { name: "shared memory", required: false };
  const size = await statfs("/dev/shm").then(({ bsize, blocks }) => bsize * blocks, () => undefined);
  if (size === undefined) return { ...about, state: "missing", found: "no /dev/shm", advice: "Mount a tmpfs there" };
  const found = `${(size / gib).toFixed(1)} GiB in /dev/shm`;
  if (size >= gib) return { ...about, state: "ok", found };
  return { ...about, state: "warning", found, advice: "Containers get 64 MiB unless told otherwise: docker run --shm-size=4g" };
}

/** Open files that a process may have: each connection takes one. */
export async function examineOpenFiles(): Promise<Finding> {
  const limits = await readFile("/proc/self/limits", "utf8").catch(() => "");
  const [, soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(limits) ?? [];
  const about = { name: "open files", required: false };
  if (soft === undefined) return { ...about, state: "warning", found: "limit unknown" };
  const found = `${soft} for a process, at most ${hard}`;
  return Number(soft) >= 4096
    ? { ...about, state: "ok", found }
    : { ...about, state: "warning", found, advice: `ulimit -n ${hard} before starting, for many clients` };
}
