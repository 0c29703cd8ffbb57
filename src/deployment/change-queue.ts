import { Code } from "@connectrpc/connect";
import { unlessAborted } from "../rpc/deadline.ts";
import { abortError, fault } from "../rpc/error.ts";
import type { ChangeOptions } from "./changes.ts";
import type { ChangeBounds } from "./component.ts";

/** Makes changes one after the other, each within its bounds. */
export class ChangeQueue {
  readonly #ending = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  /** Begins a change once those before it are made or given up. */
  async run<T>(
    change: (bounds: ChangeBounds) => Promise<T>,
    { drainMs, signal: asked, timeoutMs, onProgress = () => {} }: ChangeOptions & { drainMs: number },
  ): Promise<T> {
    const late = new AbortController();
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => {
      const text = `Cannot finish the change of the deployment: it must be made within ${timeoutMs} ms`;
      late.abort(fault(text, Code.DeadlineExceeded));
    }, timeoutMs);
    const signal = AbortSignal.any([this.#ending.signal, late.signal, ...asked === undefined ? [] : [asked]]);
    const before = this.#last;
    const made = (async () => {
      await before;
      if (signal.aborted) throw abortError(signal);
      return await change({ signal, drainMs, onProgress });
    })();
    this.#last = made.catch(() => {});
    try {
      return await unlessAborted(made, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Gives up all changes; what they have begun is the fleet's. */
  end(reason: Error): void {
    this.#ending.abort(reason);
  }
}
