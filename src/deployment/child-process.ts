import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync } from "node:fs";
import { open } from "node:fs/promises";
import process from "node:process";
import type { Guard } from "./broker/guard.ts";
import type { ProcessExit } from "./exit.ts";

/** What to run. */
export interface ChildOptions {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where its output is appended. */
  readonly logFile: string;
  /** Ends it when this process is killed. */
  readonly guard: Guard;
}

const tailBytes = 16 * 1024;

/**
 * A process in a group of its own: the terminal's Ctrl-C reaches the supervisor alone, and what it started itself goes with it. Its
 * output goes straight to its log, so that nothing is lost when the supervisor dies.
 */
export class Child {
  /** 0 where it could not be started. */
  readonly pid: number;
  readonly exited: Promise<ProcessExit>;
  readonly #logFile: string;
  readonly #logStart: number;
  #running: boolean;

  constructor({ command, env, logFile, guard }: ChildOptions) {
    const [program = "", ...args] = command;
    const log = openSync(logFile, "a", 0o600);
    try {
      this.#logFile = logFile;
      this.#logStart = fstatSync(log).size;
      const child = spawn(program, args, { env: { ...env }, stdio: ["ignore", log, log], detached: true });
      this.pid = child.pid ?? 0;
      this.#running = this.pid !== 0;
      if (this.#running) guard.watch(this.pid);
      this.exited = endOf(child).then((exit) => {
        this.#running = false;
        this.#signalGroup();
        guard.forget(this.pid);
        return exit;
      });
    } finally {
      closeSync(log);
    }
  }

  /** Asks it to end. */
  terminate(): void {
    // Not child.kill(): after it Deno 2.9 reports the signal in place of the exit code.
    if (this.#running) send(this.pid, "SIGTERM");
  }

  /** Ends it and all that it started, at once. */
  kill(): void {
    if (this.#running) this.#signalGroup();
  }

  #signalGroup(): void {
    if (this.pid !== 0) send(-this.pid, "SIGKILL");
  }

  /** The last lines that it wrote. */
  async tail(lines: number = 10): Promise<string[]> {
    const file = await open(this.#logFile, "r").catch(() => undefined);
    if (file === undefined) return [];
    try {
      const { size } = await file.stat();
      // Smaller than at the start: it was rotated since.
      const start = size < this.#logStart ? 0 : this.#logStart;
      const from = Math.max(start, size - tailBytes);
      const { buffer, bytesRead } = await file.read({ buffer: new Uint8Array(Math.max(0, size - from)), position: from });
      const text = new TextDecoder().decode(buffer.subarray(0, bytesRead)).trimEnd();
      return text === "" ? [] : text.split("\n").slice(-lines);
    } finally {
      await file.close();
    }
  }
}

function send(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended; of a group, nothing is left.
  }
}

function endOf(child: ChildProcess): Promise<ProcessExit> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: 127, signal: null }));
  });
}
