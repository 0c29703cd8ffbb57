import { dirname, join, resolve } from "node:path";
import { totalmem } from "node:os";
import process from "node:process";
import { DEFAULT_NAMESPACE } from "../bus/defaults.ts";
import { defaultBrokerPorts } from "./broker/server-config.ts";
import { checkDeployment } from "./check.ts";
import {
  type ComponentPlan,
  defaultMetricsPort,
  pathOf,
  planComponents,
  planWorkers,
  type WorkerPlan,
} from "./component-plan.ts";
import type { DeploymentBroker, DeploymentClient } from "./definition-broker.ts";
import type { DeploymentDefinition, DeploymentOptions, LogLevel, RestartPolicy, WorkerRuntime } from "./definition.ts";
import type { LogBounds } from "./log-rotation.ts";
import { planSidecars, type SidecarPlan } from "./sidecar-plan.ts";
import type { MetricsPlace } from "./metrics/serve-metrics.ts";

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

/** The broker to start, with everything decided. */
export type BrokerPlan =
  & Required<Omit<DeploymentBroker, "storage" | "dataDir" | "binary">>
  & Pick<DeploymentBroker, "dataDir" | "binary">
  & { readonly logFile: string };

/** A deployment with everything decided. */
export interface DeploymentPlan {
  /** What it was made of, without and with what goes before it. */
  readonly definition: DeploymentDefinition;
  readonly overrides: DeploymentOverrides;
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
  /** What the file's `workers` are. */
  readonly components: readonly ComponentPlan[];
  /** The processes to start with. */
  readonly workers: readonly WorkerPlan[];
  /** What to start before them. */
  readonly sidecars: readonly SidecarPlan[];
  /** What runs components that do not say it. */
  readonly runtime: WorkerRuntime | undefined;
  /** `undefined` where metrics are off. */
  readonly startingMetricsPort: number | undefined;
  readonly logDir: string;
  readonly clearLogs: boolean;
  readonly logBounds: LogBounds;
  readonly logLevel: LogLevel;
  /** Where its own metrics are; `undefined` where they are off. */
  readonly metrics: MetricsPlace | undefined;
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
  const { servers, restart = {}, startingMetricsPort = defaultMetricsPort } = options;
  const components = await planComponents(where, options, folder);
  const workers = planWorkers(where, components, startingMetricsPort, logDir);
  const firstFree = startingMetricsPort === 0 ? 0 : startingMetricsPort + workers.length;
  return {
    definition,
    overrides: { ...overrides, file },
    where,
    file,
    name: options.name,
    namespace: options.namespace ?? DEFAULT_NAMESPACE,
    broker: servers === undefined ? brokerPlan(options.broker || {}, folder, logDir) : undefined,
    servers: typeof servers === "string" ? [servers] : servers ?? [],
    token: options.token ?? (servers === undefined ? undefined : process.env.WAYBILL_TOKEN),
    clients: options.clients ?? {},
    components,
    workers,
    sidecars: await planSidecars(where, options, { folder, logDir, metricsPort: firstFree }),
    runtime: options.runtime,
    startingMetricsPort: startingMetricsPort || undefined,
    logDir,
    clearLogs: options.clearLogs ?? false,
    logBounds: { maxBytes: options.logMaxBytes ?? 16 * 2 ** 20, kept: options.logKeep ?? 3 },
    logLevel: options.logLevel ?? "info",
    metrics: metricsPlace(options),
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

/** Before its workers' ports; where somebody has that one, the default is any other. */
function metricsPlace({ metricsPort, startingMetricsPort = defaultMetricsPort }: DeploymentOptions): MetricsPlace | undefined {
  if (metricsPort !== undefined) return metricsPort === false ? undefined : { port: metricsPort, orAny: false };
  return startingMetricsPort === 0 ? undefined : { port: startingMetricsPort - 1, orAny: true };
}

function brokerPlan(broker: DeploymentBroker, folder: string, logDir: string): BrokerPlan {
  const kept = broker.storage === "file" || broker.dataDir !== undefined;
  return {
    port: broker.port ?? defaultBrokerPorts.tcp,
    websocketPort: broker.websocketPort ?? defaultBrokerPorts.websocket,
    allowedOrigins: broker.allowedOrigins ?? [],
    dataDir: kept ? resolve(folder, broker.dataDir ?? "data") : undefined,
    maxPayloadBytes: broker.maxPayloadBytes ?? 8 * 2 ** 20,
    // A bound on what queues may come to hold, not what is allocated.
    maxMemoryBytes: broker.maxMemoryBytes ?? Math.max(4 * 2 ** 30, Math.floor(totalmem() / 2)),
    maxFileBytes: broker.maxFileBytes ?? 4 * 2 ** 30,
    binary: broker.binary,
    logFile: join(logDir, "nats-server.log"),
  };
}
