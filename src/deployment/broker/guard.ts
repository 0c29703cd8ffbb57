import { spawn } from "node:child_process";

/** What ends a process when this one is gone. */
export interface Guard {
  /** Lets the process live on its own again. Call it when the process has ended, before its number can be used again. */
  dismiss(): void;
}

// Reads from a pipe whose other end this process holds: a line means "dismissed", the end of the pipe means that we are gone, however
// we went. Signals of the terminal are ignored, because a guard that dies of Ctrl-C guards nothing.
const script = `trap "" INT TERM HUP
if read -r _; then exit 0; fi
kill -TERM "$1" 2>/dev/null || exit 0
for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 0.5; kill -0 "$1" 2>/dev/null || exit 0; done
kill -KILL "$1" 2>/dev/null`;

/** Ends a process (SIGTERM, then SIGKILL after 5 s) when this process is gone, even by SIGKILL. */
export function guardProcess(pid: number): Guard {
  const child = spawn("/bin/sh", ["-c", script, "waybill-guard", String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  // Where there is no /bin/sh, what is guarded outlives a killed parent; nothing else depends on it.
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  child.unref();
  if ("unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
  return {
    dismiss() {
      child.stdin.end("\n");
    },
  };
}
