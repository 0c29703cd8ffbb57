import type { DeploymentBroker, DeploymentClient } from "./definition-broker.ts";
import type { DeploymentSidecar } from "./definition-sidecar.ts";

const BRAND = Symbol.for("waybill.deployment-definition");

/** A runtime that runs workers. */
export type WorkerRuntime = "bun" | "deno" | "node";

/** How much is logged. */
export type LogLevel = "error" | "warn" | "info" | "debug";

/** Processes that run one worker file. */
export interface DeploymentWorker {
  /** Its name; the processes are called `<name>.0`, `<name>.1` and so on. Letters, digits, `_` and `-`. */
  name: string;
  /** The worker file, such as `"./encoder.ts"` (from the deployment file's folder) or `new URL("./encoder.ts", import.meta.url)`. */
  file: string | URL;
  /** What runs it. Default: the deployment's `runtime`. Deno gets all permissions (`-A`). */
  runtime?: WorkerRuntime;
  /** How many processes. Default 1. */
  count?: number;
  /** Environment variables beside those of the supervisor; they win. */
  env?: Readonly<Record<string, string>>;
  /** Arguments for the file. */
  args?: readonly string[];
  /** Names of the file's operators to serve. Default: all of them. */
  operators?: readonly string[];
  /**
   * The name in `sidecars` of the one that holds its tensors; `false` for none. Default: the only one, where there is one; else none.
   */
  sidecar?: string | false;
}

/** What becomes of a worker that has ended without being asked to. */
export interface RestartPolicy {
  /** Restarts in a row, without 10 s of service between them, after which it is given up. Default: no limit. */
  maxRestarts?: number;
  /** Wait before the first restart; it doubles with each in a row, and up to a quarter is taken off at random. Default 500 ms. */
  backoffMs?: number;
  /** The longest wait. Default 30,000 ms. */
  maxBackoffMs?: number;
}

/** A deployment as its file describes it. */
export interface DeploymentOptions {
  /** What `waybill ps` and `waybill down` call it. Default: the namespace; a number is added where another one runs. */
  name?: string;
  /** The namespace on the bus: 1 to 32 characters of `a-z`, `0-9`, `_`, `-`. Default `"default"`. */
  namespace?: string;
  /** The broker that is started. Default: one at the default URLs, unless there are `servers`; `false` starts none. */
  broker?: DeploymentBroker | false;
  /** URLs of a broker that is there already. Not beside `broker`. */
  servers?: string | readonly string[];
  /** Clients of the broker that is started, by name, beside this user's own programs on this machine. Default: none. */
  clients?: Readonly<Record<string, DeploymentClient>>;
  /**
   * The token that clients and workers need. A broker that is started then takes it from everybody, and tells no users apart. Default:
   * `WAYBILL_TOKEN` for `servers`, else none.
   */
  token?: string;
  /** Sidecars of nodes to start before the workers, by the node's name. Default: none; then workers keep their tensors themselves. */
  sidecars?: Readonly<Record<string, DeploymentSidecar>>;
  /** What to run, in the order of their metrics ports. */
  workers: readonly DeploymentWorker[];
  /** What runs the workers that do not say it. Default: the runtime that runs the supervisor. */
  runtime?: WorkerRuntime;
  /** Folder of the logs: `<worker>.log` and `nats-server.log`. Default `"logs"` in the deployment file's folder. */
  logDir?: string;
  /** Whether the logs of earlier runs are deleted first, and nothing else in the folder. Default `false`: they are continued. */
  clearLogs?: boolean;
  /** Size past which a log is moved to `<name>.log.1` and begun anew; `Infinity` for none. Default 16 MiB. */
  logMaxBytes?: number;
  /** How many such older files are kept of each log. Default 3. */
  logKeep?: number;
  /** How much workers log. Default `"info"`. */
  logLevel?: LogLevel;
  /** Port of the first worker's `/metrics`; each further worker gets the next one. 0 turns metrics off. Default 50,000. */
  startingMetricsPort?: number;
  /**
   * Port of the deployment's own `/metrics`, of its queues and workers; 0 is any free one, `false` none. Default: the one before
   * `startingMetricsPort`, or any where that is taken; none where `startingMetricsPort` is 0.
   */
  metricsPort?: number | false;
  /** What becomes of workers that end. Default: they are restarted, as {@linkcode RestartPolicy} says. */
  restart?: RestartPolicy;
  /** How long a worker may be silent about a request until another one gets it, for operators that do not say it. Default 5,000 ms. */
  ackWaitMs?: number;
  /** How long running requests have to end when the deployment stops. Default 30,000 ms. */
  drainMs?: number;
  /** How long everything may take until it serves. Default 60,000 ms. */
  startTimeoutMs?: number;
}

/** What {@linkcode defineDeployment} gives. */
export interface DeploymentDefinition {
  /** As they were given; they are checked when the deployment is started. */
  readonly options: DeploymentOptions;
}

/**
 * Defines a deployment: the default export of a file that `waybill up FILE` runs. It is checked when it is started.
 *
 * @example
 * ```ts
 * export default defineDeployment({
 *   workers: [
 *     { name: "encoder", file: "./encoder.ts", runtime: "bun", count: 2 },
 *     { name: "decoder", file: "./decoder.ts" },
 *   ],
 * });
 * ```
 */
export function defineDeployment(options: DeploymentOptions): DeploymentDefinition {
  return Object.defineProperty({ options }, BRAND, { value: true });
}

/** Whether a module's default export is a deployment. */
export function isDeploymentDefinition(value: unknown): value is DeploymentDefinition {
  return typeof value === "object" && value !== null && BRAND in value;
}
