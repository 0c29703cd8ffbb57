import { Code, ConnectError } from "@connectrpc/connect";
import type { OperatorContext } from "./context.ts";

/** Runs several requests at once. */
type ExecuteBatch<R> = (requests: readonly R[], contexts: readonly OperatorContext[]) => unknown;

interface Entry<R> {
  readonly request: R;
  readonly context: OperatorContext;
  readonly resolve: (outputs: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers requests and runs them together: once `maxSize` are there, or `maxDelayMs` after the first of them came. A request
 * whose caller has gone meanwhile is left out.
 */
export class Batcher<R> {
  readonly #maxSize: number;
  readonly #maxDelayMs: number;
  readonly #name: string;
  readonly #execute: ExecuteBatch<R>;
  #entries: Entry<R>[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(batch: { maxSize: number; maxDelayMs: number }, name: string, execute: ExecuteBatch<R>) {
    this.#maxSize = batch.maxSize;
    this.#maxDelayMs = batch.maxDelayMs;
    this.#name = name;
    this.#execute = execute;
  }

  /** Adds a request; resolves with its own outputs. */
  add(request: R, context: OperatorContext): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#entries.push({ request, context, resolve, reject });
      if (this.#entries.length >= this.#maxSize) this.#flush();
      else this.#timer ??= setTimeout(() => this.#flush(), this.#maxDelayMs);
    });
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const entries = this.#entries;
    this.#entries = [];
    const live = entries.filter((entry) => {
      if (entry.context.signal.aborted) entry.reject(entry.context.signal.reason);
      return !entry.context.signal.aborted;
    });
    if (live.length > 0) void this.#run(live);
  }

  async #run(entries: Entry<R>[]): Promise<void> {
    try {
      const results = await this.#execute(entries.map(({ request }) => request), entries.map(({ context }) => context));
      if (!Array.isArray(results) || results.length !== entries.length) {
        const got = Array.isArray(results) ? `${results.length}` : "no array";
        throw new ConnectError(
          `Cannot answer for operator "${this.#name}": execute must give ${entries.length} outputs, got ${got}`,
          Code.Internal,
        );
      }
      entries.forEach((entry, index) => {
        const result: unknown = results[index];
        if (result instanceof Error) entry.reject(result);
        else entry.resolve(result);
      });
    } catch (error) {
      for (const entry of entries) entry.reject(error);
    }
  }
}
