import type { DeploymentEvent } from "./events.ts";
import type { DeploymentOverrides } from "./plan.ts";
import type { DeploymentStatus, WorkerStatus } from "./status.ts";

/** How to start a deployment. */
export interface StartDeploymentOptions extends DeploymentOverrides {
  /** Told what happens; {@linkcode deploymentPrinter} makes lines of it. Default: nobody. */
  onEvent?: (event: DeploymentEvent) => void;
  /** Gives up starting when aborted, and stops what runs by then. It has no effect later. */
  signal?: AbortSignal;
  /** Where this user's deployments are listed. Default: `$XDG_RUNTIME_DIR/waybill`, or `/tmp/waybill-<uid>`. */
  stateDir?: string;
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
  /** Settles with the exit code when it has stopped, whoever stopped it. */
  readonly stopped: Promise<number>;
  /** All of it now. */
  status(): DeploymentStatus;
  /**
   * Lets workers drain, ends those that take too long, then ends the broker. May be called again to hurry.
   *
   * @returns 0 when all workers ended cleanly, else the highest of their exit codes; 128 + n stands for signal n
   */
  stop(options?: StopDeploymentOptions): Promise<number>;
}
