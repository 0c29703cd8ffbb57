import { mkdir, rm } from "node:fs/promises";
import { Code } from "@connectrpc/connect";
import { fault } from "../rpc/error.ts";
import type { DeploymentPlan } from "./plan.ts";

/**
 * Makes the log folder. Clears it of what earlier runs wrote there where that is wanted, and of nothing else: it may be a folder that
 * has more in it.
 *
 * @throws {ConnectError} `failed_precondition` when it cannot be made
 */
export async function prepareLogs({ logDir, clearLogs, workers, broker, where }: DeploymentPlan): Promise<void> {
  try {
    await mkdir(logDir, { recursive: true });
    if (!clearLogs) return;
    const files = [...workers, ...broker === undefined ? [] : [broker]].map(({ logFile }) => logFile);
    await Promise.all(files.map((file) => rm(file, { force: true })));
  } catch (cause) {
    const text = `Cannot use the deployment ${where}: logDir "${logDir}" must be a folder to write to: ${
      (cause as Error).message
    }`;
    throw fault(text, Code.FailedPrecondition, {}, cause);
  }
}
