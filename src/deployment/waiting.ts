import { abortError } from "../rpc/error.ts";

/**
 * What a promise gives, or the signal's reason when that comes first. The work goes on by itself then.
 *
 * @throws {ConnectError} the signal's reason
 */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Whoever waits may be gone when it fails.
  work.catch(() => {});
  if (signal.aborted) throw abortError(signal);
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(abortError(signal));
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
