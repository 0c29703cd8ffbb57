/** A timer that does not keep the process alive, where the runtime can do that for a timer that web APIs made. */
export function startTimer(run: () => void, delayMs: number): () => void {
  const timer: unknown = setTimeout(run, delayMs);
  if (typeof timer === "object" && timer !== null && "unref" in timer && typeof timer.unref === "function") timer.unref();
  return () => clearTimeout(timer as ReturnType<typeof setTimeout>);
}

/**
 * Waits, unless aborted.
 *
 * @throws the signal's reason
 */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    if (signal?.aborted === true) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
