/** Most that is made before it is taken. */
const MAX_BUFFERED = 16;

/**
 * What several producers make, as it comes. A producer whose work is not taken is held up; when the consumer leaves, all of them
 * are let go.
 */
export class Merge<T> {
  readonly #buffer: T[] = [];
  readonly #waiting = new Set<() => void>();
  #open = 0;
  #sealed = false;
  #left = false;
  #failure: { readonly error: unknown } | undefined;

  /** Starts a producer. */
  add(source: AsyncIterable<T>): Promise<void> {
    this.#open++;
    return this.#run(source);
  }

  /** Tells that no producer will be added. */
  seal(): void {
    this.#sealed = true;
    this.#wake();
  }

  /** Ends it with an error, at once. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  /** All of it, until the last producer has ended. */
  async *all(): AsyncGenerator<T, void> {
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure.error;
        if (this.#buffer.length > 0) {
          const item = this.#buffer.shift() as T;
          this.#wake();
          yield item;
        } else if (this.#sealed && this.#open === 0) return;
        else await this.#change();
      }
    } finally {
      this.#left = true;
      this.#wake();
    }
  }

  async #run(source: AsyncIterable<T>): Promise<void> {
    try {
      for await (const item of source) {
        while (this.#buffer.length >= MAX_BUFFERED && !this.#left) await this.#change();
        if (this.#left) return;
        this.#buffer.push(item);
        this.#wake();
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.#open--;
      this.#wake();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
