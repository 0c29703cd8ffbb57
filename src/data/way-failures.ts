import type { Logger } from "../bus/logger.ts";
import type { FetchObserver } from "../telemetry/observer.ts";
import type { WayKind } from "./way-handler.ts";

/** Nodes and ways that are remembered as told. */
const MAX_TOLD = 1_024;

/** Ways that failed, so that the next one was tried: each is counted, and told once in the log for each node. */
export class WayFailures {
  readonly #observers: readonly FetchObserver[];
  readonly #logger: Logger;
  readonly #told = new Set<string>();

  constructor(observers: readonly FetchObserver[], logger: Logger) {
    this.#observers = observers;
    this.#logger = logger;
  }

  /** A way to a node failed. */
  add(node: string, way: WayKind, reason: string): void {
    for (const observer of this.#observers) observer.wayFailed?.({ node, way });
    const key = `${way} ${node}`;
    if (this.#told.has(key)) return;
    if (this.#told.size >= MAX_TOLD) this.#told.clear();
    this.#told.add(key);
    this.#logger.warn("A way to fetch tensors failed: the next one is tried, and this is not told again", {
      node,
      way,
      reason,
    });
  }
}
