import { readdir, readFile, rm } from "node:fs/promises";
import process from "node:process";
import { Code } from "@connectrpc/connect";
import { stateFolder } from "../../bus/local-login-node.ts";
import { fault } from "../../rpc/error.ts";
import type { DeploymentStatus } from "../status.ts";
import { ask } from "./client.ts";
import type { ControlRecord } from "./messages.ts";
import { ensureStateFolder, stateFiles } from "./state-folder.ts";

/** A deployment of this user that runs on this machine. */
export interface RunningDeployment extends ControlRecord {
  /** `undefined` where its supervisor does not answer in time. */
  readonly status: DeploymentStatus | undefined;
}

/** How to look for deployments. */
export interface RunningOptions {
  /** Where they are listed. Default: {@linkcode stateFolder}. */
  folder?: string;
  /** How long each may take to answer. Default 3,000 ms. */
  timeoutMs?: number;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function look(folder: string, name: string, timeoutMs: number): Promise<RunningDeployment | undefined> {
  const { record: path, socket, logins } = stateFiles(folder, name);
  const record = await readFile(path, "utf8").then(JSON.parse, () => undefined) as ControlRecord | undefined;
  if (record === undefined) return undefined;
  const answer = await ask(socket, { command: "status" }, timeoutMs).catch(() => undefined);
  if (answer !== undefined && "status" in answer) return { ...record, status: answer.status };
  if (isAlive(record.pid)) return { ...record, status: undefined };
  // Its supervisor was killed: nobody will do it but us.
  for (const file of [path, socket, logins]) await rm(file, { force: true });
  return undefined;
}

/** The deployments of this user that run on this machine, by name. What killed ones have left is removed. */
export async function runningDeployments(options: RunningOptions = {}): Promise<RunningDeployment[]> {
  const { folder = stateFolder(), timeoutMs = 3_000 } = options;
  await ensureStateFolder(folder);
  const names = (await readdir(folder)).filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -".json".length));
  const found = await Promise.all(names.sort().map((name) => look(folder, name, timeoutMs)));
  return found.filter((deployment) => deployment !== undefined);
}

/** How to stop a deployment from outside. */
export interface StopRunningOptions {
  /** Where it is listed. Default: {@linkcode stateFolder}. */
  folder?: string;
  /** How long running requests have to end. Default: what the deployment says. */
  drainMs?: number;
  /** How long to wait until it has stopped. Default 120,000 ms. */
  timeoutMs?: number;
}

/**
 * Drains and stops a running deployment, and waits for that.
 *
 * @param name may be left out where only one runs
 * @returns its exit code
 * @throws {ConnectError} `not_found` when there is none of that name, `invalid_argument` when it is not said which,
 * `deadline_exceeded`
 */
export async function stopRunning(
  name: string | undefined,
  options: StopRunningOptions = {},
): Promise<{ name: string; exitCode: number }> {
  const { folder = stateFolder(), drainMs, timeoutMs = 120_000 } = options;
  const running = (await runningDeployments({ folder })).map((deployment) => deployment.name);
  const list = running.map((one) => `"${one}"`).join(", ");
  if (name === undefined && running.length > 1) {
    throw fault(`Cannot stop a deployment: a name is needed where several run, which are ${list}`, Code.InvalidArgument);
  }
  const wanted = name ?? running[0];
  if (wanted === undefined || !running.includes(wanted)) {
    const which = wanted === undefined ? "a deployment" : `the deployment "${wanted}"`;
    throw fault(`Cannot stop ${which}: ${list === "" ? "none runs" : `those that run are ${list}`}`, Code.NotFound);
  }
  const answer = await ask(stateFiles(folder, wanted).socket, { command: "stop", drainMs }, timeoutMs);
  return { name: wanted, exitCode: "exitCode" in answer ? answer.exitCode : 1 };
}
