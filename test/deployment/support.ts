import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { connect } from "../../mod.ts";
import type { Client } from "../../src/client/client.ts";
import type { ConnectOptions } from "../../src/client/connect.ts";
import {
  defineDeployment,
  type Deployment,
  type DeploymentEvent,
  type DeploymentOptions,
  startDeployment,
  type StartDeploymentOptions,
} from "../../src/deployment/mod.ts";
import { isRunning, until } from "../support/program.ts";

/** A worker file of the fixtures. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/deployment/${name}`, import.meta.url));
}

/** Gives an empty folder, and removes it after that. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "waybill-deployment-test-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The first of some ports in a row that nobody has. Below those that the system gives to others. */
export async function freePorts(count: number): Promise<number> {
  const isFree = (port: number) =>
    new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen({ host: "127.0.0.1", port }, () => server.close(() => resolve(true)));
    });
  while (true) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await Promise.all(Array.from({ length: count }, (_, index) => isFree(first + index)));
    if (!free.includes(false)) return first;
  }
}

/** A running deployment and what a test wants of it. */
export interface World {
  readonly deployment: Deployment;
  readonly client: Client;
  readonly events: readonly DeploymentEvent[];
  /** Everything of it: logs, state. */
  readonly folder: string;
}

/** What tests leave out: free ports, no metrics, quick starts and restarts, everything in a folder. */
export function testOptions(folder: string, options: Partial<DeploymentOptions>): DeploymentOptions {
  return {
    workers: [{ name: "double", file: fixture("double.ts") }],
    broker: options.servers === undefined ? { port: 0, websocketPort: 0 } : undefined,
    logDir: join(folder, "logs"),
    startingMetricsPort: 0,
    // The quickest to start.
    runtime: "bun",
    restart: { backoffMs: 50, maxBackoffMs: 500 },
    drainMs: 10_000,
    ...options,
  };
}

/** Starts a deployment in this process, and stops it after that. */
export function withDeployment(
  options: Partial<DeploymentOptions>,
  use: (world: World) => Promise<void>,
  start: StartDeploymentOptions = {},
  connection: ConnectOptions = {},
): Promise<void> {
  return withFolder(async (folder) => {
    const events: DeploymentEvent[] = [];
    const definition = defineDeployment(testOptions(folder, options));
    const stateDir = join(folder, "state");
    const deployment = await startDeployment(definition, { stateDir, onEvent: (event) => events.push(event), ...start });
    let client: Client | undefined;
    try {
      client = await connect(deployment.clientUrls(), { operatorWaitMs: 20_000, ...connection });
      await use({ deployment, client, events, folder });
    } finally {
      await client?.close();
      await deployment.stop({ drainMs: 0 });
    }
  });
}

/** Asks the worker of the fixture `double.ts` who it is. */
export async function whoIs(client: Client): Promise<{ pid: number; args: string[] }> {
  const { pid, args } = await client.operator("who").infer({}, { inline: true });
  return { pid: Number((await pid?.fetch())?.data[0]), args: (await args?.fetch())?.strings() ?? [] };
}

/** The processes that a process has started and that run now. */
export async function childrenOf(parent: number): Promise<{ pid: number; command: string }[]> {
  const found: { pid: number; command: string }[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    const [, ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(ppid) !== parent || !await isRunning(Number(pid))) continue;
    found.push({
      pid: Number(pid),
      command: (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " "),
    });
  }
  return found;
}

/** Waits until none of some processes runs. */
export async function untilGone(pids: readonly number[], timeoutMs: number = 15_000): Promise<void> {
  await until(`the processes ${pids.join(", ")} have ended`, async () => {
    return (await Promise.all(pids.map(isRunning))).every((running) => !running);
  }, timeoutMs);
}

/** This process's id. */
export const ownPid: number = process.pid;
