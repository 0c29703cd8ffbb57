import { Code, ConnectError } from "@connectrpc/connect";
import { abortError } from "./error.ts";

/** What every asynchronous call takes. */
export interface CallOptions {
  /** Gives up when aborted. */
  signal?: AbortSignal;
  /** Gives up after that long. Default: no limit of its own. */
  timeoutMs?: number;
}

/**
 * Runs work under a signal that also fires after `timeoutMs`. Costs nothing without a timeout.
 *
 * @param action what fails when time is up, for the error message: `Cannot fetch a tensor`
 */
export async function withDeadline<T>(
  action: string,
  { signal, timeoutMs }: CallOptions,
  work: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  if (signal?.aborted) throw abortError(signal);
  if (timeoutMs === undefined) return await work(signal);
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal?.reason);
  const timer = setTimeout(() => {
    controller.abort(
      new ConnectError(`${action}: it must take at most ${timeoutMs} ms, and took longer`, Code.DeadlineExceeded),
    );
  }, timeoutMs);
  signal?.addEventListener("abort", onAbort);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Waits for what takes no signal: whoever gives up leaves it running. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  const { promise: given, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = () => reject(abortError(signal));
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  promise.then(resolve, reject);
  try {
    return await given;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
