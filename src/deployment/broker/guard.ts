import { spawn } from "node:child_process";

/** What ends a process when this one is gone. */
export interface Guard {
  /** Lets the process live on its own again. Call it when the process has ended, before its number can be used again. */
  dismiss(): void;
}

// $1 is the process, $2 a folder or nothing. Reads from a pipe whose other end this process holds: a line means "dismissed", the end of the pipe means that we are gone, however
// we went. Signals of the terminal are ignored, because a guard that dies of Ctrl-C guards nothing.
const script = `trap "" INT TERM HUP
if read -r _; then exit 0; fi
kill -TERM "$1" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$1" 2>/dev/null || break; sleep 0.5; done
kill -KILL "$1" 2>/dev/null
if [ -n "$2" ]; then rm -rf -- "$2"; fi`;

/**
 * Ends a process (SIGTERM, then SIGKILL after 5 s) when this process is gone, even by SIGKILL.
 *
 * @param folder removed after that
 */
export function guardProcess(pid: number, folder: string = ""): Guard {
  const child = spawn("/bin/sh", ["-c", script, "waybill-guard", String(pid), folder], {
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
