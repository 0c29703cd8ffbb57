import type { Logger } from "../bus/logger.ts";

/** What ends with a process's work: in the opposite order of its beginnings, each whatever becomes of the others. */
export class Endings {
  readonly #logger: Logger;
  readonly #ends: { readonly what: string; readonly end: () => unknown }[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Adds one. */
  add(what: string, end: () => unknown): void {
    this.#ends.push({ what, end });
  }

  /** Ends all of them; what was ended already is not ended again. */
  async run(): Promise<void> {
    for (let last = this.#ends.pop(); last !== undefined; last = this.#ends.pop()) {
      try {
        await last.end();
      } catch (error) {
        this.#logger.warn("While stopping", { what: last.what, error: String(error) });
      }
    }
  }
}
