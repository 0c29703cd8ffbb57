import process from "node:process";
import { programLogger } from "../worker/program-logger.ts";
import { foundLines } from "./found-lines.ts";
import type { SidecarOptions } from "./options.ts";
import { startSidecar } from "./start-sidecar.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs a sidecar as this program: until a signal, which stops it; a second one ends the program at once. The exit code is 0 after a
 * stop, 1 when it could not start or its connection to the broker ended for good.
 *
 * @param say told what was found, a line each. Default: goes to the log
 */
export async function runSidecar(options: SidecarOptions, say?: (line: string) => void): Promise<void> {
  const logger = options.logger ?? programLogger(process.env);
  const stop = Promise.withResolvers<number>();
  let signals = 0;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (++signals > 1) process.exit(1);
      stop.resolve(0);
    });
  }
  try {
    const sidecar = await startSidecar({ ...options, logger });
    void sidecar.disconnected.then((error) => {
      if (signals === 0) logger.error("The connection has ended", { error: String(error) });
      stop.resolve(1);
    });
    const { node, url, address, metricsUrl } = sidecar;
    for (const line of foundLines(sidecar)) say === undefined ? logger.info(line) : say(line);
    logger.info("Serving", { node, url, sidecar: address, metrics: metricsUrl });
    const code = await stop.promise;
    logger.info("Stopping", { node, leases: sidecar.describe().leases });
    await sidecar.stop();
    logger.info("Stopped", { node });
    process.exit(code);
  } catch (error) {
    logger.error("Cannot start the sidecar", { error: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  }
}
