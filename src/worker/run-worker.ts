import process from "node:process";
import { programLogger } from "./program-logger.ts";
import { startWorker } from "./worker.ts";
import type { WorkerOptions } from "./worker-options.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs a worker as this program: until a signal, which drains it; a second one ends the program at once. The exit code is 0
 * after a drain, 1 when it could not start or its connection ended for good.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const logger = options.logger ?? programLogger(process.env);
  const stop = Promise.withResolvers<number>();
  const starting = new AbortController();
  let signals = 0;
  // From the beginning: a signal that comes while it starts drains what it has taken by then.
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (++signals > 1) process.exit(1);
      starting.abort();
      stop.resolve(0);
    });
  }
  try {
    const signal = options.signal === undefined ? starting.signal : AbortSignal.any([options.signal, starting.signal]);
    const worker = await startWorker({ ...options, logger, signal });
    void worker.client.bus.closed.then((error) => {
      if (signals === 0) logger.error("The connection has ended", { error: String(error) });
      stop.resolve(1);
    });
    const code = await stop.promise;
    await worker.drain();
    logger.info("Stopped", { name: worker.name });
    process.exit(code);
  } catch (error) {
    if (signals > 0) process.exit(0);
    logger.error("Cannot start the worker", { error: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  }
}
