import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../mod.ts";
import type { Client } from "../../src/client/client.ts";
import type { DeploymentStatus, RunningDeployment } from "../../src/deployment/mod.ts";
import { type Program, type ProgramExit, startProgram } from "../support/program.ts";

/** What a command printed and how it ended. */
export interface CommandResult {
  readonly code: number | null;
  readonly output: string;
}

/** `waybill up` of a fixture as a process of its own, and what a test does with it. */
export interface UpWorld {
  readonly program: Program;
  readonly folder: string;
  readonly status: DeploymentStatus;
  readonly client: Client;
  /** Runs another command beside it. */
  run(...args: string[]): Promise<CommandResult>;
  /** All processes of it except its guard. */
  readonly pids: readonly number[];
}

/** Runs a command with a list of running deployments that is the test's own. */
export async function runCommand(
  folder: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<CommandResult> {
  const program = startProgram("src/cli/main.ts", args, { env: { XDG_RUNTIME_DIR: folder, ...env } });
  const { code } = await program.exited;
  return { code, output: program.output };
}

/** What `waybill ps --json` says. */
export async function listed(folder: string): Promise<RunningDeployment[]> {
  const { output } = await runCommand(folder, ["ps", "--json"]);
  return JSON.parse(output);
}

/** Runs `waybill up` on free ports until it serves, and ends it after that. */
export async function withUp(
  options: { args?: readonly string[]; env?: Record<string, string> },
  use: (world: UpWorld) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "waybill-up-test-"));
  const ports = ["--port", "0", "--websocket-port", "0", "--starting-metrics-port", "0", "--log-dir", join(folder, "logs")];
  const args = ["up", "test/fixtures/deployment/deploy.ts", ...ports, ...options.args ?? []];
  const program = startProgram("src/cli/main.ts", args, { env: { XDG_RUNTIME_DIR: folder, ...options.env } });
  let client: Client | undefined;
  try {
    await program.waitFor(/^Workers started \.\.\. press Ctrl-C to Exit$/m, 50_000);
    const status = (await listed(folder))[0]?.status;
    if (status === undefined) throw new Error(`waybill ps does not list it, it says:\n${program.output}`);
    client = await connect(status.urls, { local: { folder: join(folder, "waybill") } });
    const pids = [status.pid, status.broker?.pid ?? 0, ...status.workers.map(({ pid }) => pid ?? 0)];
    await use({ program, folder, status, client, pids, run: (...command) => runCommand(folder, command) });
  } finally {
    await client?.close();
    // The guard ends what it leaves.
    await program.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
}

/** Starts a request that takes its time, and waits until it runs. */
export async function slowRequest(client: Client, waitMs: number): Promise<{ answer: Promise<number | Error> }> {
  // The instance that answers first is the only one: what it runs after that has begun when its next answer comes.
  const call = (parameters: { waitMs: number }) => client.operator("double").infer({ x: Float32Array.of(21) }, { parameters });
  const answer = call({ waitMs }).then(
    async ({ y }) => Number((await y?.fetch())?.data[0]),
    (error: Error) => error,
  );
  await call({ waitMs: 0 });
  return { answer };
}

/** How a program ended, in short. */
export async function codeOf(exit: Promise<ProgramExit>): Promise<number | string | null> {
  const { code, signal } = await exit;
  return signal ?? code;
}
