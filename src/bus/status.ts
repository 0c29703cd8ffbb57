import type { BusStatus } from "./bus.ts";
import type { Logger } from "./logger.ts";

/** Who wants to know what happens to a connection. */
export class StatusListeners {
  readonly #listeners = new Set<(status: BusStatus) => void>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Adds a listener; the function returned takes it away. */
  add(listener: (status: BusStatus) => void): () => void {
    // Wrapped, so that the same function may be added twice and each addition be taken away on its own.
    const own = (status: BusStatus) => listener(status);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Tells every listener; one that throws does not keep the others from hearing it. */
  emit(status: BusStatus): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(status);
      } catch (error) {
        this.#logger.error("A listener to the status of the bus threw", { status: status.type, error });
      }
    }
  }
}
