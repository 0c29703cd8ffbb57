import type { WorkerRuntime } from "./definition.ts";
import type { ProcessExit } from "./exit.ts";

/**
 * What a worker does:
 *
 * - `starting`: its process runs and is not in discovery yet. Registering makes it `ready`, ending `restarting`.
 * - `ready`: it serves. Losing its lease makes it `lost`, ending `restarting`.
 * - `lost`: its process runs, and its lease was not renewed: its loop is blocked, or the broker is away. Back to `ready` by itself.
 * - `restarting`: it has ended unasked, and waits for its restart, which makes it `starting`.
 * - `crash-looping`: the same, and it had ended before without 10 s of service in between; after too many in a row it is `failed`.
 * - `failed`: it was given up. Stays so until its component is restarted or changed.
 * - `draining`: it was told to end, takes nothing new and finishes what it has. Ending makes it `stopped`.
 * - `stopped`: it has ended, as it was told to. Stays so.
 */
export type WorkerState =
  | "starting"
  | "ready"
  | "lost"
  | "restarting"
  | "crash-looping"
  | "failed"
  | "draining"
  | "stopped";

/** A worker of a running deployment. */
export interface WorkerStatus {
  /** Such as `"encoder.0"`. */
  readonly name: string;
  /** The component that it belongs to, such as `"encoder"`. */
  readonly component: string;
  /** Its file's path. */
  readonly file: string;
  /** What runs it. */
  readonly runtime: WorkerRuntime;
  /** What it does now. */
  readonly state: WorkerState;
  /** Why it does not serve, in words; `undefined` where it does, or nothing is wrong. */
  readonly reason: string | undefined;
  /** Its process; `undefined` where none runs. */
  readonly pid: number | undefined;
  /** When its process was started, as `Date.now()` tells time. */
  readonly startedAtMs: number | undefined;
  /** How often it was restarted, ever. */
  readonly restarts: number;
  /** How it ended the last time. */
  readonly lastExit: ProcessExit | undefined;
  /** The last lines that it wrote before it ended unasked; empty since it is ready again. */
  readonly lastLines: readonly string[];
  /** Its `/metrics`. */
  readonly metricsUrl: string | undefined;
  /** Where its output goes. */
  readonly logFile: string;
  /** What it serves, as it says itself once it is ready. */
  readonly operators: readonly string[];
  /** Its id in discovery and in answers, once it is ready. */
  readonly instance: string | undefined;
}

/**
 * How a component is, which is how the worst of its workers is: `failed`, `crash-looping`, `lost`, `starting`, `draining` (all that are
 * left of it), or `ready`. A component of no workers is `ready`.
 */
export type ComponentHealth = "ready" | "starting" | "draining" | "lost" | "crash-looping" | "failed";

/** A component of a running deployment: the workers of one entry of its file. */
export interface ComponentStatus {
  /** Such as `"encoder"`. */
  readonly name: string;
  /** Its file's path. */
  readonly file: string;
  /** What runs it. */
  readonly runtime: WorkerRuntime;
  /** How many workers it is to have. */
  readonly count: number;
  /** How many serve. */
  readonly ready: number;
  /** How it is. */
  readonly health: ComponentHealth;
  /** Why it is not `ready`, in words. */
  readonly reason: string | undefined;
}

/** The broker of a running deployment. */
export interface BrokerStatus {
  /** What it does now; one that ends unasked is started again. */
  readonly state: "ready" | "restarting" | "stopped";
  /** Its process; `undefined` where none runs. */
  readonly pid: number | undefined;
  /** How often it was restarted, ever. */
  readonly restarts: number;
  /** For TCP clients, such as `nats://127.0.0.1:4222`. */
  readonly tcpUrl: string;
  /** For websocket clients; `undefined` where it has no websocket. */
  readonly wsUrl: string | undefined;
  /** Its monitoring pages. */
  readonly monitorUrl: string;
  /** Where its output goes. */
  readonly logFile: string;
}

/** `starting` until all workers are ready for the first time, `running` from then on, `stopping`, `stopped`. */
export type DeploymentState = "starting" | "running" | "stopping" | "stopped";

/** A deployment and its parts at one moment. */
export interface DeploymentStatus {
  /** What `waybill ps` calls it. */
  readonly name: string;
  /** What it does now. */
  readonly state: DeploymentState;
  /** The supervisor's process. */
  readonly pid: number;
  /** Its file's path, where it was told. */
  readonly file: string | undefined;
  /** Its namespace on the bus. */
  readonly namespace: string;
  /** When it was started, as `Date.now()` tells time. */
  readonly startedAtMs: number;
  /** Where clients connect, TCP before websocket; without credentials. */
  readonly urls: readonly string[];
  /** `undefined` where it is not the deployment's own. */
  readonly broker: BrokerStatus | undefined;
  /** Its components, in the order of the file, then of their adding. */
  readonly components: readonly ComponentStatus[];
  /** Folder of its logs. */
  readonly logDir: string;
  /** Its own `/metrics`, of its queues and workers; `undefined` where there is none. */
  readonly metricsUrl: string | undefined;
  /** Its workers, by component. */
  readonly workers: readonly WorkerStatus[];
  /** Its nodes' sidecars, which are told of as workers without operators. */
  readonly sidecars: readonly WorkerStatus[];
}
