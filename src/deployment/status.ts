import type { WorkerRuntime } from "./definition.ts";
import type { ProcessExit } from "./exit.ts";

/**
 * What a worker does:
 *
 * - `starting`: its process runs and is not in discovery yet. Registering makes it `ready`, ending `restarting`.
 * - `ready`: it serves. Losing its lease makes it `lost`, ending `restarting`.
 * - `lost`: its process runs, and its lease was not renewed: its loop is blocked, or the broker is away. Back to `ready` by itself.
 * - `restarting`: it has ended, and waits for its restart, which makes it `starting`; after too many in a row it is `failed`.
 * - `failed`: it was given up. Stays so.
 * - `stopping`: it was told to drain. Ending makes it `stopped`.
 * - `stopped`: it has ended, as it was told to. Stays so.
 */
export type WorkerState = "starting" | "ready" | "lost" | "restarting" | "failed" | "stopping" | "stopped";

/** A worker of a running deployment. */
export interface WorkerStatus {
  /** Such as `"encoder.0"`. */
  readonly name: string;
  readonly file: string;
  readonly runtime: WorkerRuntime;
  readonly state: WorkerState;
  /** Its process; `undefined` where none runs. */
  readonly pid: number | undefined;
  /** When its process was started, as `Date.now()` tells time. */
  readonly startedAtMs: number | undefined;
  /** How often it was restarted, ever. */
  readonly restarts: number;
  /** How it ended the last time. */
  readonly lastExit: ProcessExit | undefined;
  /** Its `/metrics`. */
  readonly metricsUrl: string | undefined;
  readonly logFile: string;
  /** What it serves, as it says itself once it is ready. */
  readonly operators: readonly string[];
  /** Its id in discovery and in answers, once it is ready. */
  readonly instance: string | undefined;
}

/** The broker of a running deployment. */
export interface BrokerStatus {
  readonly state: "ready" | "restarting" | "stopped";
  readonly pid: number | undefined;
  readonly restarts: number;
  readonly tcpUrl: string;
  readonly wsUrl: string | undefined;
  /** Its monitoring pages. */
  readonly monitorUrl: string;
  readonly logFile: string;
}

/** `starting` until all workers are ready for the first time, `running` from then on, `stopping`, `stopped`. */
export type DeploymentState = "starting" | "running" | "stopping" | "stopped";

/** A deployment and its parts at one moment. */
export interface DeploymentStatus {
  readonly name: string;
  readonly state: DeploymentState;
  /** The supervisor's process. */
  readonly pid: number;
  readonly file: string | undefined;
  readonly namespace: string;
  readonly startedAtMs: number;
  /** Where clients connect, TCP before websocket; without credentials. */
  readonly urls: readonly string[];
  /** `undefined` where it is not the deployment's own. */
  readonly broker: BrokerStatus | undefined;
  readonly workers: readonly WorkerStatus[];
}
