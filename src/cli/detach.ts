import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { type DeploymentDefinition, type DeploymentOverrides, runningDeployments } from "../deployment/mod.ts";
import { supervisorLog } from "../deployment/logs.ts";
import { planDeployment } from "../deployment/plan.ts";
import { ownRuntime, runtimeCommand } from "../deployment/runtimes.ts";

/** This command again, without the flag that detaches. */
async function sameCommand(): Promise<string[]> {
  const [program = process.execPath, ...fixed] = await runtimeCommand(ownRuntime(), process.cwd()) ?? [];
  const [, script = "", ...args] = process.argv;
  return [program, ...fixed, ...process.execArgv, script, ...args.filter((arg) => arg !== "--detach")];
}

/**
 * Runs a deployment in the background, in a session of its own, with what it prints in `supervisor.log`, and waits until it serves.
 *
 * @returns 0 once it does, 1 when it has ended instead
 */
export async function detach(definition: DeploymentDefinition, overrides: DeploymentOverrides): Promise<number> {
  // What is wrong with the file is told here and not in a log.
  const { logDir } = await planDeployment(definition, overrides);
  mkdirSync(logDir, { recursive: true });
  const logFile = supervisorLog(logDir);
  closeSync(openSync(logFile, "w", 0o600));
  // Appended to, so that it can be rotated.
  const log = openSync(logFile, "a", 0o600);
  const [program = "", ...args] = await sameCommand();
  const child = spawn(program, args, { stdio: ["ignore", log, log], detached: true });
  closeSync(log);
  let ended = false;
  child.once("exit", () => ended = true);
  child.once("error", () => ended = true);
  while (!ended) {
    const own = (await runningDeployments()).find(({ pid }) => pid === child.pid);
    if (own?.status?.state === "running") {
      console.log(`Deployment "${own.name}" runs in the background (pid ${own.pid}) at ${own.status.urls.join(" and ")}`);
      console.log(`Its log is ${logFile}; stop it with: waybill down ${own.name}`);
      return 0;
    }
    await delay(100);
  }
  console.error(`The deployment has ended, its log says:\n${(await readFile(logFile, "utf8")).trimEnd()}`);
  return 1;
}
