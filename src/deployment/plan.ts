import { access } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Code } from "@connectrpc/connect";
import { DEFAULT_NAMESPACE } from "../bus/defaults.ts";
import { fault } from "../rpc/error.ts";
import { defaultBrokerPorts } from "./broker/server-config.ts";
import { checkDeployment, refusal } from "./check.ts";
import type { DeploymentBroker, DeploymentClient } from "./definition-broker.ts";
import type { DeploymentDefinition, DeploymentOptions, LogLevel, RestartPolicy, WorkerRuntime } from "./definition.ts";
import { ownRuntime, runtimeCommand } from "./runtimes.ts";

/** What goes before what a deployment's file says. */
export interface DeploymentOverrides {
  /** The deployment's file: relative paths in it start at its folder, and messages name it. Default: the current folder. */
  file?: string | URL;
  /** In place of the file's `name`. */
  name?: string;
  /** In place of the file's `logDir`; from the current folder. */
  logDir?: string;
  /** In place of the file's `clearLogs`. */
  clearLogs?: boolean;
  /** In place of the file's `logLevel`. */
  logLevel?: LogLevel;
  /** In place of the file's `startingMetricsPort`. */
  startingMetricsPort?: number;
  /** In place of the broker's `port`. */
  port?: number;
  /** In place of the broker's `websocketPort`. */
  websocketPort?: number | false;
}

/** One process, with everything decided. */
export interface WorkerPlan {
  /** Such as `"encoder.0"`. */
  readonly name: string;
  readonly file: string;
  readonly runtime: WorkerRuntime;
  /** The runtime's program and arguments, before the file. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly operators: readonly string[] | undefined;
  /** `undefined` where metrics are off. */
  readonly metricsPort: number | undefined;
  readonly logFile: string;
}

/** The broker to start, with everything decided. */
export type BrokerPlan =
  & Required<Omit<DeploymentBroker, "storage" | "dataDir" | "binary">>
  & Pick<DeploymentBroker, "dataDir" | "binary">
  & { readonly logFile: string };

/** A deployment with everything decided. */
export interface DeploymentPlan {
  /** What messages call it. */
  readonly where: string;
  /** Its file, where it has one. */
  readonly file: string | undefined;
  /** The name that it was given. */
  readonly name: string | undefined;
  readonly namespace: string;
  readonly broker: BrokerPlan | undefined;
  readonly servers: readonly string[];
  readonly token: string | undefined;
  /** Clients with users of their own. */
  readonly clients: Readonly<Record<string, DeploymentClient>>;
  readonly workers: readonly WorkerPlan[];
  readonly logDir: string;
  readonly clearLogs: boolean;
  readonly logLevel: LogLevel;
  readonly restart: Readonly<Required<RestartPolicy>>;
  /** `undefined` for the workers' own default. */
  readonly ackWaitMs: number | undefined;
  readonly drainMs: number;
  readonly startTimeoutMs: number;
}

function withOverrides(options: DeploymentOptions, overrides: DeploymentOverrides): DeploymentOptions {
  const { port, websocketPort, name, clearLogs, logLevel, startingMetricsPort } = overrides;
  const set = <T extends object>(fields: T) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const logDir = overrides.logDir === undefined ? undefined : resolve(overrides.logDir);
  const changed = { ...options, ...set({ name, clearLogs, logLevel, startingMetricsPort, logDir }) };
  const ports = set({ port, websocketPort });
  return Object.keys(ports).length === 0 || changed.servers !== undefined || changed.broker === false
    ? changed
    : { ...changed, broker: { ...changed.broker, ...ports } };
}

/**
 * Decides everything that a deployment leaves open.
 *
 * @throws {ConnectError} `invalid_argument` naming the file, the field, the value seen and the value wanted
 */
export async function planDeployment(
  definition: DeploymentDefinition,
  overrides: DeploymentOverrides = {},
): Promise<DeploymentPlan> {
  const file = overrides.file === undefined ? undefined : pathOf(overrides.file, process.cwd());
  const where = file ?? `"${definition.options?.name ?? DEFAULT_NAMESPACE}"`;
  checkDeployment(where, definition.options);
  const options = withOverrides(definition.options, overrides);
  checkDeployment(where, options);
  const folder = file === undefined ? process.cwd() : dirname(file);
  const logDir = resolve(folder, options.logDir ?? "logs");
  const { servers, restart = {} } = options;
  return {
    where,
    file,
    name: options.name,
    namespace: options.namespace ?? DEFAULT_NAMESPACE,
    broker: servers === undefined ? brokerPlan(options.broker || {}, folder, logDir) : undefined,
    servers: typeof servers === "string" ? [servers] : servers ?? [],
    token: options.token ?? (servers === undefined ? undefined : process.env.WAYBILL_TOKEN),
    clients: options.clients ?? {},
    workers: await workerPlans(where, options, folder, logDir),
    logDir,
    clearLogs: options.clearLogs ?? false,
    logLevel: options.logLevel ?? "info",
    restart: {
      maxRestarts: restart.maxRestarts ?? Infinity,
      backoffMs: restart.backoffMs ?? 500,
      maxBackoffMs: restart.maxBackoffMs ?? 30_000,
    },
    ackWaitMs: options.ackWaitMs,
    drainMs: options.drainMs ?? 30_000,
    startTimeoutMs: options.startTimeoutMs ?? 60_000,
  };
}

function brokerPlan(broker: DeploymentBroker, folder: string, logDir: string): BrokerPlan {
  const kept = broker.storage === "file" || broker.dataDir !== undefined;
  return {
    port: broker.port ?? defaultBrokerPorts.tcp,
    websocketPort: broker.websocketPort ?? defaultBrokerPorts.websocket,
    allowedOrigins: broker.allowedOrigins ?? [],
    dataDir: kept ? resolve(folder, broker.dataDir ?? "data") : undefined,
    maxPayloadBytes: broker.maxPayloadBytes ?? 8 * 2 ** 20,
    maxMemoryBytes: broker.maxMemoryBytes ?? 2 ** 30,
    maxFileBytes: broker.maxFileBytes ?? 4 * 2 ** 30,
    binary: broker.binary,
    logFile: join(logDir, "nats-server.log"),
  };
}

async function workerPlans(where: string, options: DeploymentOptions, folder: string, logDir: string): Promise<WorkerPlan[]> {
  const { startingMetricsPort = 50_000 } = options;
  const plans: WorkerPlan[] = [];
  for (const [index, worker] of options.workers.entries()) {
    const file = pathOf(worker.file, folder);
    await access(file).catch(() => {
      throw refusal(where, `workers[${index}].file`, "a file that is there", file);
    });
    const runtime = worker.runtime ?? options.runtime ?? ownRuntime();
    const command = await runtimeCommand(runtime, folder);
    if (command === undefined) {
      const text = `workers[${index}].runtime "${runtime}" is neither in node_modules/.bin nor in PATH`;
      throw fault(`Cannot use the deployment ${where}: ${text}; waybill doctor says how to get it`, Code.FailedPrecondition);
    }
    for (let number = 0; number < (worker.count ?? 1); number++) {
      const name = `${worker.name}.${number}`;
      const metricsPort = startingMetricsPort === 0 ? undefined : startingMetricsPort + plans.length;
      if (metricsPort !== undefined && metricsPort > 65_535) {
        throw refusal(where, "startingMetricsPort", `low enough for a port for each worker up to ${name}`, startingMetricsPort);
      }
      plans.push({
        name,
        file,
        runtime,
        command,
        args: worker.args ?? [],
        env: worker.env ?? {},
        operators: worker.operators,
        metricsPort,
        logFile: join(logDir, `${name}.log`),
      });
    }
  }
  return plans;
}

function pathOf(file: string | URL, folder: string): string {
  if (file instanceof URL) return fileURLToPath(file);
  return file.startsWith("file:") ? fileURLToPath(file) : resolve(folder, file);
}
