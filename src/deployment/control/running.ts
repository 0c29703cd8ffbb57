import { readdir, readFile, rm } from "node:fs/promises";
import { Code } from "@connectrpc/connect";
import { stateFolder } from "../../bus/local-login-node.ts";
import { fault } from "../../rpc/error.ts";
import type { ChangeOptions, ChangeResult, DeploymentChange } from "../changes.ts";
import type { DeploymentStatus } from "../status.ts";
import { isAlive } from "./alive.ts";
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

async function look(folder: string, name: string, timeoutMs: number): Promise<RunningDeployment | undefined> {
  const { record: path, socket, logins } = stateFiles(folder, name);
  const record = await readFile(path, "utf8").then(JSON.parse, () => undefined) as ControlRecord | undefined;
  if (record === undefined) return undefined;
  const answer = await ask(socket, { command: "status" }, { timeoutMs }).catch(() => undefined);
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

/**
 * Finds one deployment of this user.
 *
 * @param name may be left out where only one runs
 * @param action for messages, such as `"stop"`
 * @throws {ConnectError} `not_found` when there is none of that name, `invalid_argument` when it is not said which
 */
export async function findRunning(
  name: string | undefined,
  action: string,
  options: RunningOptions = {},
): Promise<RunningDeployment> {
  const running = await runningDeployments(options);
  const list = running.map((one) => `"${one.name}"`).join(", ");
  if (name === undefined && running.length > 1) {
    throw fault(`Cannot ${action} a deployment: a name is needed where several run, which are ${list}`, Code.InvalidArgument);
  }
  const found = name === undefined ? running[0] : running.find((one) => one.name === name);
  if (found !== undefined) return found;
  const which = name === undefined ? "a deployment" : `the deployment "${name}"`;
  throw fault(`Cannot ${action} ${which}: ${list === "" ? "none runs" : `those that run are ${list}`}`, Code.NotFound);
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
  const found = await findRunning(name, "stop", { folder });
  const answer = await ask(stateFiles(folder, found.name).socket, { command: "stop", drainMs }, { timeoutMs });
  return { name: found.name, exitCode: "exitCode" in answer ? answer.exitCode : 1 };
}

/** How to change a deployment from outside. */
export interface ChangeRunningOptions extends ChangeOptions {
  /** Where it is listed. Default: {@linkcode stateFolder}. */
  folder?: string;
}

/**
 * Changes a running deployment of this user from another process, and waits until that is done; the change is given up when this process
 * ends.
 *
 * @param name may be left out where only one runs
 * @throws {ConnectError} `not_found` when there is none of that name, `invalid_argument` when it is not said which, and as
 * the deployment's own methods
 */
export async function changeRunning(
  name: string | undefined,
  change: DeploymentChange,
  options: ChangeRunningOptions = {},
): Promise<ChangeResult & { readonly name: string }> {
  const { folder = stateFolder(), drainMs, timeoutMs, signal, onProgress } = options;
  const found = await findRunning(name, "change", { folder });
  const request = { ...change, drainMs, timeoutMs };
  const answer = await ask(stateFiles(folder, found.name).socket, request, { signal, onProgress });
  if (!("result" in answer)) throw fault(`Cannot change the deployment "${found.name}": it gave no result`, Code.Internal);
  return { ...answer.result, name: found.name };
}
