import type { ChangeOptions, ComponentDifference, ReplaceOptions } from "./changes.ts";
import type { DeploymentDefinition, DeploymentWorker } from "./definition.ts";
import type { DeploymentEvent } from "./events.ts";
import type { DeploymentOverrides } from "./plan.ts";
import type { ComponentStatus, DeploymentStatus, WorkerStatus } from "./status.ts";

/** How to start a deployment. */
export interface StartDeploymentOptions extends DeploymentOverrides {
  /** Told what happens; {@linkcode deploymentPrinter} makes lines of it. Default: nobody. */
  onEvent?: (event: DeploymentEvent) => void;
  /** Gives up starting when aborted, and stops what runs by then. It has no effect later. */
  signal?: AbortSignal;
  /** Where this user's deployments are listed. Default: `$XDG_RUNTIME_DIR/waybill`, or `/tmp/waybill-<uid>`. */
  stateDir?: string;
}

/** How a deployment is made what a definition says. */
export interface ApplyOptions extends ReplaceOptions {
  /** The definition's file, where relative paths start. Default: the file that it was started from. */
  file?: string;
  /** Says what would be done, and does nothing. Default `false`. */
  dryRun?: boolean;
}

/** How to stop a deployment. */
export interface StopDeploymentOptions {
  /** How long running requests have to end; 0 ends everything at once. Default: what the deployment says. */
  drainMs?: number;
  /** Ends everything at once when aborted. */
  signal?: AbortSignal;
}

/**
 * A running deployment. It ends with this process, however that ends: one guard process ends the workers and the broker should this
 * one be killed.
 */
export interface Deployment extends AsyncDisposable {
  /** What `waybill ps` calls it. */
  readonly name: string;
  /** Where clients connect, TCP before websocket; without credentials. */
  readonly urls: readonly string[];
  /**
   * The same URLs with the credentials of a client in them: a secret.
   *
   * @param name a client of the deployment file. Default: the one that this user's programs on this machine are
   * @throws {ConnectError} `not_found` when there is no such client
   */
  clientUrls(name?: string): readonly string[];
  /** Its workers now, in the order of the file. */
  readonly workers: readonly WorkerStatus[];
  /** Its components now, in the order of the file, then of their adding. */
  readonly components: readonly ComponentStatus[];
  /** Settles with the exit code when it has stopped, whoever stopped it. */
  readonly stopped: Promise<number>;
  /** All of it now. */
  status(): DeploymentStatus;
  /**
   * Makes a component this many workers: starts more, or lets those of the highest numbers drain and end. Waits until all serve, or have
   * ended. What is queued is served by those that stay; with 0 it waits for whoever serves the operators next.
   *
   * @param component such as `"encoder"`
   * @throws {ConnectError} `not_found` for an unknown component, `failed_precondition` with the end of its log when a worker keeps ending,
   * `deadline_exceeded` when one is not ready in time: it is taken out again, the others stay
   */
  scale(component: string, count: number, options?: ChangeOptions): Promise<ComponentStatus>;
  /**
   * Starts a component that the deployment did not have.
   *
   * @throws {ConnectError} `already_exists` when it has one of that name, `invalid_argument` for what cannot be used, and as
   * {@linkcode scale}: nothing of it is there then
   */
  add(worker: DeploymentWorker, options?: ChangeOptions): Promise<ComponentStatus>;
  /**
   * Lets all workers of a component drain and end, and forgets it. Its operators stay declared: what is sent to them is queued.
   *
   * @throws {ConnectError} `not_found`
   */
  remove(component: string, options?: ChangeOptions): Promise<void>;
  /**
   * Replaces workers by new ones, one by one; each serves before the next one ends.
   *
   * @param component such as `"encoder"`, or one worker's name, such as `"encoder.0"`
   * @throws {ConnectError} as {@linkcode scale}; those that were not replaced yet stay as they were
   */
  restart(component: string, options?: ReplaceOptions): Promise<ComponentStatus>;
  /**
   * Makes the deployment what a definition says: adds, replaces one by one, scales and removes components, and touches none that is as it
   * should be. A component is replaced when its file, the code that this imports by relative paths, `runtime`, `args`, `env` or
   * `operators` differ, or the deployment's `logLevel`, `drainMs` or `ackWaitMs`. A `count` that is left out means as many as there are.
   *
   * @returns what was different
   * @throws {ConnectError} `failed_precondition` when it differs in what cannot be changed while it runs (broker, namespace, folders),
   * before anything is done, and as {@linkcode scale}: what was done by then stays, and applying it again goes on from there
   */
  apply(definition: DeploymentDefinition, options?: ApplyOptions): Promise<readonly ComponentDifference[]>;
  /**
   * Lets workers drain, ends those that take too long, then ends the broker. May be called again to hurry.
   *
   * @returns 0 when all workers ended cleanly, else the highest of their exit codes; 128 + n stands for signal n
   */
  stop(options?: StopDeploymentOptions): Promise<number>;
}
