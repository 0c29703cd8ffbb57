/** What a stream will tell next: values that wait until its reader takes them, many at once. */
export class Outbox<T> {
  readonly #max: number;
  #values: T[] = [];
  #missed = 0;
  #more: PromiseWithResolvers<void> = Promise.withResolvers();
  #closed = false;

  /** @param max values that wait at most; the oldest are dropped, and counted. Default: no bound, for what is bounded elsewhere */
  constructor(max: number = Infinity) {
    this.#max = max;
  }

  /** Adds one. */
  push(value: T): void {
    if (this.#closed) return;
    this.#values.push(value);
    // In rows, so that a slow reader does not cost a move of all for each.
    if (this.#values.length >= 2 * this.#max) {
      this.#missed += this.#values.length - this.#max;
      this.#values = this.#values.slice(-this.#max);
    }
    this.#more.resolve();
  }

  /** Whether it ended. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Ends the stream: what waits is told still. */
  close(): void {
    this.#closed = true;
    this.#more.resolve();
  }

  /** What waits, and how many were dropped since the last time. Waits for the first, for `waitMs` at most. */
  async take(waitMs: number): Promise<{ readonly values: readonly T[]; readonly missed: number }> {
    if (this.#values.length === 0 && !this.#closed) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => timer = setTimeout(resolve, waitMs));
      await Promise.race([this.#more.promise, late]);
      clearTimeout(timer);
    }
    const taken = { values: this.#values, missed: this.#missed };
    this.#values = [];
    this.#missed = 0;
    if (!this.#closed) this.#more = Promise.withResolvers();
    return taken;
  }
}
