import { createHash } from "node:crypto";
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { hostname } from "node:os";

/** What segments are: files in /dev/shm, or of memory alone, which are opened through the process that made them. */
export type SegmentBacking = "dev-shm" | "memfd";

/**
 * Names what shares memory with this process: the same for two processes exactly where one can open the other's segments, apart from
 * rights. The machine since its last start, and /dev/shm, or for memory files the namespace of processes.
 */
export function hostId(backing: SegmentBacking | undefined): string {
  const parts = [
    read(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()) ?? hostname(),
    backing === "memfd"
      ? read(() => readlinkSync("/proc/self/ns/pid"))
      : read(() => ((stat) => `${stat.dev}:${stat.ino}`)(statSync("/dev/shm"))),
  ];
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 32);
}

function read(text: () => string): string | undefined {
  try {
    return text();
  } catch {
    // Not this kind of machine.
    return undefined;
  }
}
