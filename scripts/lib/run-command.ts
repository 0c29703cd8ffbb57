import { type ChildProcess, spawn } from "node:child_process";

/** How a command ended. */
export interface Ended {
  /** Exit code, or 128 + the signal's number as shells have it. */
  readonly code: number;
  /** Whether it was killed for taking too long. */
  readonly timedOut: boolean;
  /** What it printed, where it was captured. */
  readonly output: string;
}

/** How to run a command. */
export interface RunOptions {
  /** Added to this process's environment. */
  env?: Record<string, string>;
  /** Where to run it. */
  cwd?: string;
  /** Kills it, with everything it started, after this long. Default 600,000 ms. */
  timeoutMs?: number;
  /** Keeps the output instead of passing it on. */
  capture?: boolean;
}

const running = new Set<ChildProcess>();

/** Kills a command with all that it started, which is still in its process group. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    // ESRCH: nothing is left of the group.
  }
}

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  process.once(signal, () => {
    for (const child of running) killGroup(child);
    process.exit(code);
  });
}

/** Runs a command in a process group of its own, so that nothing it starts survives it. */
export function runCommand(command: string, args: string[], options: RunOptions = {}): Promise<Ended> {
  const { env, cwd, timeoutMs = 600_000, capture = false } = options;
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      detached: true,
      // Captured output is shown later or searched; Deno 2.9 colours it even where it goes to no terminal.
      env: { ...process.env, ...(capture ? { NO_COLOR: "1" } : {}), ...env },
      stdio: ["ignore", capture ? "pipe" : "inherit", capture ? "pipe" : "inherit"],
    });
    running.add(child);
    let output = "";
    let timedOut = false;
    child.stdout?.on("data", (chunk: Uint8Array) => output += chunk.toString());
    child.stderr?.on("data", (chunk: Uint8Array) => output += chunk.toString());
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child);
    }, timeoutMs);
    const finish = (code: number) => {
      clearTimeout(timer);
      running.delete(child);
      killGroup(child);
      resolve({ code, timedOut, output });
    };
    child.on("error", (error) => {
      output += error.message;
      finish(127);
    });
    // "exit" and not "close": a process left behind may hold the pipes open for ever.
    child.on("exit", (code) => setImmediate(() => finish(code ?? 128)));
  });
}
