import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { fault } from "../rpc/error.ts";
import { olderLogs } from "./log-rotation.ts";
import type { DeploymentPlan } from "./plan.ts";

/** The log of a supervisor in the background. */
export function supervisorLog(logDir: string): string {
  return join(logDir, "supervisor.log");
}

/**
 * Makes the log folder. Clears it of what earlier runs wrote there where that is wanted, and of nothing else: it may be a folder that
 * has more in it.
 *
 * @throws {ConnectError} `failed_precondition` when it cannot be made
 */
export async function prepareLogs({ logDir, clearLogs, logBounds, workers, broker, where }: DeploymentPlan): Promise<void> {
  try {
    await mkdir(logDir, { recursive: true });
    if (!clearLogs) return;
    const files = [...workers, ...broker === undefined ? [] : [broker]].map(({ logFile }) => logFile);
    const all = files.flatMap((file) => [file, ...olderLogs(file, logBounds.kept)]);
    await Promise.all(all.map((file) => rm(file, { force: true })));
  } catch (cause) {
    const text = `Cannot use the deployment ${where}: logDir "${logDir}" must be a folder to write to: ${
      (cause as Error).message
    }`;
    throw fault(text, Code.FailedPrecondition, {}, cause);
  }
}
