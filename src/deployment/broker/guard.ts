import { type ChildProcess, spawn } from "node:child_process";

/**
 * Ends processes when this one is gone, even by SIGKILL. It is a shell that reads from a pipe whose other end this process holds:
 *
 * - *watching*: lines say which processes there are. `dismiss` ends it, the end of the pipe means that we are gone.
 * - *ending*: SIGTERM to what was watched first, SIGKILL to its process groups once it has ended or after 5 s; then the same for
 *   what was watched as `last`; then it removes the files that it was told of, and ends.
 *
 * A guard that is killed itself is replaced. Where there is no `/bin/sh`, what is guarded outlives a killed process, and nothing
 * else is different.
 */
export interface Guard {
  /** Guards a process that leads its own group (`detached`). Those that are `last` end after the others, such as their broker. */
  watch(pid: number, order?: "first" | "last"): void;
  /** Call it when the process has ended, before its number can be used again. */
  forget(pid: number): void;
  /** Removes a file or folder at the end, should this process be killed. */
  remove(path: string): void;
  /** Ends the guard alone. What it watched lives on. */
  dismiss(): void;
}

// Signals of the terminal are ignored, because a guard that dies of Ctrl-C guards nothing. A process that has ended and that nobody
// collects (state Z), as in containers whose first process is no init, runs no more.
const script = `trap "" INT TERM HUP QUIT
set -f
first="" last="" files="" nl="
"
while read -r what value; do
  case $what in
    first) first="$first $value" ;;
    last) last="$last $value" ;;
    remove) files="$files$value$nl" ;;
    dismiss) exit 0 ;;
    forget)
      kept=""; for p in $first; do [ "$p" = "$value" ] || kept="$kept $p"; done; first=$kept
      kept=""; for p in $last; do [ "$p" = "$value" ] || kept="$kept $p"; done; last=$kept ;;
  esac
done
runs() {
  kill -0 "$1" 2>/dev/null || return 1
  read -r line 2>/dev/null < "/proc/$1/stat" || return 0
  case \${line##*) } in Z* | X*) return 1 ;; esac
}
end() {
  for p; do kill -TERM "$p" 2>/dev/null; done
  left=50
  while [ $left -gt 0 ]; do
    alive=""
    for p; do runs "$p" && alive=1; done
    [ -n "$alive" ] || break
    left=$((left - 1)); sleep 0.1
  done
  for p; do kill -KILL "-$p" 2>/dev/null; done
}
end $first
end $last
IFS=$nl
[ -z "$files" ] || rm -rf -- $files`;

class ShellGuard implements Guard {
  readonly #watched = new Map<number, "first" | "last">();
  readonly #files = new Set<string>();
  #child: ChildProcess;
  #dismissed = false;

  constructor() {
    this.#child = this.#spawn();
  }

  #spawn(): ChildProcess {
    const child = spawn("/bin/sh", ["-c", script, "waybill-guard"], { stdio: ["pipe", "ignore", "ignore"], detached: true });
    child.on("error", () => {});
    child.stdin?.on("error", () => {});
    child.once("exit", (_, signal) => {
      // One that ends by itself cannot run here, nor could the next.
      if (!this.#dismissed && signal !== null) this.#replace();
    });
    child.unref();
    if (child.stdin !== null && "unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
    return child;
  }

  #replace(): void {
    this.#child = this.#spawn();
    for (const [pid, order] of this.#watched) this.#tell(order, pid);
    for (const path of this.#files) this.#tell("remove", path);
  }

  #tell(what: string, value: string | number): void {
    this.#child.stdin?.write(`${what} ${value}\n`);
  }

  watch(pid: number, order: "first" | "last" = "first"): void {
    this.#watched.set(pid, order);
    this.#tell(order, pid);
  }

  forget(pid: number): void {
    if (this.#watched.delete(pid)) this.#tell("forget", pid);
  }

  remove(path: string): void {
    this.#files.add(path);
    this.#tell("remove", path);
  }

  dismiss(): void {
    if (this.#dismissed) return;
    this.#dismissed = true;
    this.#child.stdin?.end("dismiss\n");
  }
}

/** Starts a guard: one for all the processes that this one starts. */
export function startGuard(): Guard {
  return new ShellGuard();
}
