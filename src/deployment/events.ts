import type { ChangeResult, DeploymentChange } from "./changes.ts";
import type { ProcessExit } from "./exit.ts";
import type { DeploymentStatus, WorkerStatus } from "./status.ts";

/** Something that happens to a deployment. */
export type DeploymentEvent =
  /** What was looked for or obtained, in one line. */
  | { readonly type: "note"; readonly text: string }
  | { readonly type: "starting"; readonly deployment: DeploymentStatus }
  /** A worker's process was started; `config` is what it was told. */
  | { readonly type: "worker-starting"; readonly worker: WorkerStatus; readonly config: Readonly<Record<string, unknown>> }
  | { readonly type: "worker-ready"; readonly worker: WorkerStatus }
  /** Its lease ran out while its process lives. */
  | { readonly type: "worker-lost"; readonly worker: WorkerStatus }
  /** It ended without being asked to; `restartInMs` is `undefined` where it is given up. */
  | {
    readonly type: "worker-exited";
    readonly worker: WorkerStatus;
    readonly exit: ProcessExit;
    readonly inARow: number;
    readonly restartInMs: number | undefined;
    readonly log: readonly string[];
  }
  | {
    readonly type: "broker-exited";
    readonly exit: ProcessExit;
    readonly restartInMs: number;
    readonly log: readonly string[];
  }
  | { readonly type: "broker-restarted"; readonly pid: number }
  /** A change has begun. */
  | { readonly type: "changing"; readonly change: DeploymentChange }
  /** A change is made. One that fails is told to who asked for it. */
  | { readonly type: "changed"; readonly change: DeploymentChange; readonly result: ChangeResult }
  | { readonly type: "started"; readonly deployment: DeploymentStatus }
  | { readonly type: "stopping"; readonly deployment: DeploymentStatus }
  | { readonly type: "worker-stopping"; readonly worker: WorkerStatus }
  | { readonly type: "worker-stopped"; readonly worker: WorkerStatus; readonly exit: ProcessExit }
  | { readonly type: "stopped"; readonly exitCode: number };
