import { spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { collectorPath } from "../../scripts/lib/collector.ts";
import { until } from "../support/program.ts";

/** An OpenTelemetry Collector: `OTELCOL_BIN`, one in `PATH`, or the one that `npm run collector` has built; `undefined` for none. */
export async function collectorBinary(): Promise<string | undefined> {
  const folders = (process.env.PATH ?? "").split(":");
  const candidates = [process.env.OTELCOL_BIN, ...folders.map((folder) => join(folder, "otelcol")), collectorPath()];
  for (const candidate of candidates) {
    if (candidate === undefined || candidate === "") continue;
    const found = await access(candidate, constants.X_OK).then(() => true, () => false);
    if (found) return candidate;
  }
  return undefined;
}

/** A collector that runs. */
export interface Collector {
  /** Where exporters send to. */
  readonly url: string;
  close(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a collector that takes spans over OTLP and passes them on to another receiver. */
export async function startCollector(binary: string, forwardTo: string): Promise<Collector> {
  const port = await freePort();
  const config = {
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: { otlphttp: { endpoint: forwardTo, encoding: "json", compression: "none", sending_queue: { enabled: false } } },
    service: {
      telemetry: { metrics: { level: "none" } },
      pipelines: { traces: { receivers: ["otlp"], exporters: ["otlphttp"] } },
    },
  };
  const child = spawn(binary, ["--config", `yaml:${JSON.stringify(config)}`], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk: Uint8Array) => log += chunk.toString());
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await until("the collector is ready", () => log.includes("Everything is ready")).catch((cause) => {
    throw new Error(`The collector must start, it says:\n${log}`, { cause });
  });
  const close = async () => {
    if (child.pid !== undefined) process.kill(child.pid, "SIGKILL");
    await exited;
  };
  return { url: `http://127.0.0.1:${port}`, close };
}
