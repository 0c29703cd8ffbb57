import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Code } from "@connectrpc/connect";
import { fault } from "../rpc/error.ts";
import { refusal } from "./check.ts";
import type { DeploymentOptions, DeploymentWorker, WorkerRuntime } from "./definition.ts";
import { ownRuntime, runtimeCommand } from "./runtimes.ts";

/** The first port of metrics where nothing else is said. */
export const defaultMetricsPort = 50_000;

/** An entry of a deployment's `workers`, with everything decided: what all its processes have in common. */
export interface ComponentPlan {
  readonly name: string;
  readonly file: string;
  readonly runtime: WorkerRuntime;
  /** The runtime's program and arguments, before the file. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly operators: readonly string[] | undefined;
  /** The node whose sidecar holds its tensors. */
  readonly sidecar: string | undefined;
  /** `undefined` where it was left out, which means one at the start, and as many as there are later. */
  readonly count: number | undefined;
}

/** One process, with everything decided. */
export interface WorkerPlan extends Omit<ComponentPlan, "name" | "count"> {
  /** Such as `"encoder.0"`. */
  readonly name: string;
  /** The name of its component. */
  readonly component: string;
  /** Its number in it. */
  readonly number: number;
  /** `undefined` where metrics are off. */
  readonly metricsPort: number | undefined;
  readonly logFile: string;
}

/** The plan of one of a component's processes. */
export function workerPlan(
  component: ComponentPlan,
  place: { readonly number: number; readonly metricsPort: number | undefined; readonly logDir: string },
): WorkerPlan {
  const { number, metricsPort, logDir } = place;
  const { name: componentName, count: _, ...shared } = component;
  const name = `${componentName}.${number}`;
  return { ...shared, name, component: componentName, number, metricsPort, logFile: join(logDir, `${name}.log`) };
}

/**
 * Decides what an entry of `workers` leaves open.
 *
 * @param where the deployment, for messages
 * @param field such as `workers[0]`
 * @throws {ConnectError} `invalid_argument` when there is no such file, `failed_precondition` when there is no such runtime
 */
export async function planComponent(
  worker: DeploymentWorker,
  context: { where: string; field: string; folder: string; runtime: WorkerRuntime | undefined; sidecars: readonly string[] },
): Promise<ComponentPlan> {
  const { where, field, folder, sidecars } = context;
  const file = pathOf(worker.file, folder);
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true) {
    throw refusal(where, `${field}.file`, `a file that is there${found === undefined ? "" : ", not a folder"}`, file);
  }
  const runtime = worker.runtime ?? context.runtime ?? ownRuntime();
  const command = await runtimeCommand(runtime, folder);
  if (command === undefined) {
    const text = `${field}.runtime "${runtime}" is neither in node_modules/.bin nor in PATH`;
    throw fault(`Cannot use the deployment ${where}: ${text}; waybill doctor says how to get it`, Code.FailedPrecondition);
  }
  const { name, args = [], env = {}, operators, count } = worker;
  const [only, ...others] = sidecars;
  const sidecar = worker.sidecar === false ? undefined : worker.sidecar ?? (others.length === 0 ? only : undefined);
  if (sidecar !== undefined && !sidecars.includes(sidecar)) {
    const known = sidecars.map((one) => `"${one}"`).join(", ") || "none";
    throw refusal(where, `${field}.sidecar`, `false or a name in sidecars, which are ${known}`, sidecar);
  }
  return { name, file, runtime, command, args, env, operators, sidecar, count };
}

/** Decides what all entries of `workers` leave open; throws as {@linkcode planComponent}. */
export async function planComponents(where: string, options: DeploymentOptions, folder: string): Promise<ComponentPlan[]> {
  const plans: ComponentPlan[] = [];
  const sidecars = Object.keys(options.sidecars ?? {});
  for (const [index, worker] of options.workers.entries()) {
    const context = { where, field: `workers[${index}]`, folder, runtime: options.runtime, sidecars };
    plans.push(await planComponent(worker, context));
  }
  return plans;
}

/**
 * The processes that a deployment starts with, with metrics ports in their order.
 *
 * @throws {ConnectError} `invalid_argument` when there are not enough ports
 */
export function planWorkers(
  where: string,
  components: readonly ComponentPlan[],
  startingMetricsPort: number,
  logDir: string,
): WorkerPlan[] {
  const plans: WorkerPlan[] = [];
  for (const component of components) {
    for (let number = 0; number < (component.count ?? 1); number++) {
      const metricsPort = startingMetricsPort === 0 ? undefined : startingMetricsPort + plans.length;
      const plan = workerPlan(component, { number, metricsPort, logDir });
      if (metricsPort !== undefined && metricsPort > 65_535) {
        throw refusal(
          where,
          "startingMetricsPort",
          `low enough for a port for each worker up to ${plan.name}`,
          startingMetricsPort,
        );
      }
      plans.push(plan);
    }
  }
  return plans;
}

/** A path or `file:` URL as a path; relative ones start at `folder`. */
export function pathOf(file: string | URL, folder: string): string {
  if (file instanceof URL) return fileURLToPath(file);
  return file.startsWith("file:") ? fileURLToPath(file) : resolve(folder, file);
}
