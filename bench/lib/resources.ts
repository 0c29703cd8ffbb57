import process from "node:process";

type Close = () => unknown;

/**
 * What a bench has started, closed in reverse order at its end, after an error and on Ctrl-C alike: no process and no folder
 * outlives the command.
 */
export class Resources implements AsyncDisposable {
  readonly #open: Close[] = [];
  #closing: Promise<void> | undefined;

  /** Whether the end has begun: what fails from then on is no failure. */
  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /** Keeps something to be closed; gives it back. Throws when the end has begun, and closes it at once. */
  use<T extends AsyncDisposable>(resource: T): T {
    if (this.closing) {
      void resource[Symbol.asyncDispose]();
      throw new Error("The bench was ended");
    }
    this.#open.push(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  /** Keeps something that starts; what fails to start is not kept. */
  async start<T extends AsyncDisposable>(starting: Promise<T>): Promise<T> {
    return this.use(await starting);
  }

  /** Keeps a step to be taken at the end. */
  defer(close: Close): void {
    this.#open.push(close);
  }

  /** Resources of a part of the bench, closed with the whole one at the latest. */
  async scope<T>(body: (resources: Resources) => Promise<T>): Promise<T> {
    const inner = this.use(new Resources());
    try {
      return await body(inner);
    } finally {
      await inner[Symbol.asyncDispose]();
    }
  }

  /** Closes everything, the newest first. What fails to close is reported and does not keep the rest. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= (async () => {
      for (let close = this.#open.pop(); close !== undefined; close = this.#open.pop()) {
        try {
          await close();
        } catch (error) {
          console.error(`While cleaning up: ${error}`);
        }
      }
    })();
  }

  /** Closes everything on the signals that end a command, then ends it. A second one ends it at once. */
  closeOnSignals(): void {
    let signals = 0;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        if (signals++ > 0) process.exit(1);
        console.error(`\n${signal}: cleaning up`);
        void this[Symbol.asyncDispose]().then(() => process.exit(130));
      });
    }
  }
}
