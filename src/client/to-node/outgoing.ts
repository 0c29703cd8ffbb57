/** What a caller streams. Remembers its failure, which is told as such, and is let go when the call ends. */
export class Outgoing<T> implements AsyncIterable<T> {
  readonly #source: AsyncIterator<T>;
  /** What the source threw. */
  failure: { readonly error: unknown } | undefined;

  constructor(source: AsyncIterable<T>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: async () => {
        try {
          return await this.#source.next();
        } catch (error) {
          this.failure = { error };
          throw error;
        }
      },
      return: () => {
        this.stop();
        return Promise.resolve({ done: true, value: undefined });
      },
      // Connect ends what it sends by throwing into it.
      throw: (error) => {
        this.stop();
        return Promise.reject(error);
      },
    };
  }

  /** Nobody takes any more of it. A source in the middle of something hears of it when that is done. */
  stop(): void {
    void Promise.resolve(this.#source.return?.()).catch(() => {});
  }
}
