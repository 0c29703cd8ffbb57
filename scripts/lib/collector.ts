import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** The version of the OpenTelemetry Collector's parts that `npm run collector` builds. */
export const collectorVersion = "0.160.0";

/** Where the collector is kept that `npm run collector` builds. */
export function collectorPath(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return join(cache, "waybill", `otelcol-${collectorVersion}`);
}
