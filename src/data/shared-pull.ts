import { abortError } from "../rpc/error.ts";

/**
 * Work that is done once for all who ask: it starts with the first, ends early only when all have given up, and is done again only
 * after it failed.
 */
export class SharedPull<T> {
  #running: { readonly result: Promise<T>; readonly controller: AbortController } | undefined;
  #waiting = 0;

  /** Whether nothing runs and nothing is there. */
  get idle(): boolean {
    return this.#running === undefined;
  }

  /** Waits for the result, and starts the work where nobody has. A caller whose signal fires leaves alone. */
  async join(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (signal?.aborted) throw abortError(signal);
    const running = this.#running ?? this.#start(work);
    this.#waiting++;
    try {
      return await (signal === undefined ? running.result : this.#unlessAborted(running.result, signal));
    } finally {
      this.#waiting--;
    }
  }

  #start(work: (signal: AbortSignal) => Promise<T>) {
    const controller = new AbortController();
    const running = { result: work(controller.signal), controller };
    this.#running = running;
    running.result.catch(() => {
      if (this.#running === running) this.#running = undefined;
    });
    return running;
  }

  #unlessAborted(result: Promise<T>, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        reject(abortError(signal));
        if (this.#waiting > 1) return;
        // The last one: nobody wants it any more, and who comes later starts anew.
        this.#running?.controller.abort(signal.reason);
        this.#running = undefined;
      };
      signal.addEventListener("abort", onAbort);
      result.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    });
  }
}
