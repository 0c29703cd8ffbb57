import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Code } from "@connectrpc/connect";
import { fault } from "../rpc/error.ts";
import type { WorkerPlan } from "./component-plan.ts";
import type { DeploymentOptions } from "./definition.ts";
import type { DeploymentSidecar } from "./definition-sidecar.ts";
import { runtimeCommand } from "./runtimes.ts";

/** What sidecars stand under in statuses, where workers have their component. */
export const SIDECARS = "sidecars";

/** What a node's sidecar is called in statuses and logs. */
export function sidecarName(node: string): string {
  return `sidecar-${node}`;
}

/** A sidecar's process, with everything decided but its socket: it is supervised as a worker is. */
export interface SidecarPlan extends WorkerPlan {
  /** The node's name. */
  readonly node: string;
  /** What its program is told. */
  readonly options: Omit<DeploymentSidecar, "env" | "tokens">;
  readonly tokens: readonly string[];
}

/**
 * Decides what a deployment's sidecars leave open. They run on Node, whatever runs the workers.
 *
 * @param metricsPort the first port for them; 0 where metrics are off
 * @throws {ConnectError} `failed_precondition` when there is no Node
 */
export async function planSidecars(
  where: string,
  { sidecars = {} }: Pick<DeploymentOptions, "sidecars">,
  { folder, logDir, metricsPort }: { folder: string; logDir: string; metricsPort: number },
): Promise<SidecarPlan[]> {
  const entries = Object.entries(sidecars);
  if (entries.length === 0) return [];
  const command = await runtimeCommand("node", folder);
  if (command === undefined) {
    const text = `its sidecars need Node, which is neither in node_modules/.bin nor in PATH; waybill doctor says how to get it`;
    throw fault(`Cannot use the deployment ${where}: ${text}`, Code.FailedPrecondition);
  }
  const program = import.meta.url.endsWith(".ts") ? "../sidecar/program.ts" : "../sidecar/program.js";
  const file = fileURLToPath(new URL(program, import.meta.url));
  return entries.map(([node, { env = {}, tokens = [], ...options }], number) => ({
    name: sidecarName(node),
    node,
    options,
    tokens,
    component: SIDECARS,
    number,
    file,
    runtime: "node",
    command,
    args: [],
    env,
    operators: undefined,
    sidecar: undefined,
    metricsPort: metricsPort === 0 ? undefined : metricsPort + number,
    logFile: join(logDir, `${sidecarName(node)}.log`),
  }));
}
