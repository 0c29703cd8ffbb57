import type { DeploymentOptions, DeploymentWorker } from "./definition.ts";
import type { ComponentStatus } from "./status.ts";

/**
 * How workers are replaced by new ones, one at a time:
 *
 * - `start-first`: the new one serves before the old one drains: never fewer than there were, for a while one more.
 * - `stop-first`: the old one drains and ends before the new one starts: never more, for a while one fewer. For machines without
 *   room for one more.
 */
export type ReplaceOrder = "start-first" | "stop-first";

/** A step of a change, as it happens. */
export interface ChangeProgress {
  /** Whose step it is, such as `"encoder.0"`. */
  readonly worker: string;
  /** Its process. */
  readonly pid: number | undefined;
  /** What has happened. `killed`: it did not drain in time. `failed`: it does not serve, `text` says why. */
  readonly step: "starting" | "ready" | "draining" | "stopped" | "killed" | "failed";
  /** More about it. */
  readonly text?: string;
}

/** How a running deployment is changed. Changes are made one after the other. */
export interface ChangeOptions {
  /**
   * Ends the change where it is: a worker that drains goes on draining, one that is not ready yet is taken out, and nothing else is
   * begun. What serves goes on serving.
   */
  signal?: AbortSignal;
  /** How long all of it may take; then it ends as with `signal`. Default: as long as each step may take. */
  timeoutMs?: number;
  /** How long running requests have to end before a worker is killed. Default, and at most: what the deployment says. */
  drainMs?: number;
  /** Told each step. */
  onProgress?: (progress: ChangeProgress) => void;
}

/** How workers are replaced. */
export interface ReplaceOptions extends ChangeOptions {
  /** Default `"start-first"`. */
  order?: ReplaceOrder;
}

/** What a component needs to become what a file says. */
export interface ComponentDifference {
  /** Its name. */
  readonly name: string;
  /** `keep` is nothing at all; a component may be `replace`d and scaled at once. */
  readonly action: "add" | "replace" | "scale" | "remove" | "keep";
  /** What differs, in words, such as `file` or `count 2 to 4`. */
  readonly what: readonly string[];
}

/** What can be asked of a running deployment, as it travels to its supervisor. */
export type DeploymentChange =
  | { readonly command: "scale"; readonly component: string; readonly count: number }
  | { readonly command: "add"; readonly worker: DeploymentWorker }
  | { readonly command: "remove"; readonly component: string }
  | { readonly command: "restart"; readonly component: string; readonly order?: ReplaceOrder }
  | {
    readonly command: "apply";
    readonly options: DeploymentOptions;
    readonly file?: string;
    readonly order?: ReplaceOrder;
    /** Says what would be done, and does nothing. */
    readonly dryRun?: boolean;
  };

/** What came of a change. */
export interface ChangeResult {
  /** The components that it was about, as they are now; those that were removed are not among them. */
  readonly components: readonly ComponentStatus[];
  /** Of `apply`: what was different. */
  readonly differences?: readonly ComponentDifference[];
}
