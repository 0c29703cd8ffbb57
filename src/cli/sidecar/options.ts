import { readFile } from "node:fs/promises";
import process from "node:process";
import { Code, ConnectError } from "@connectrpc/connect";
import type { SidecarOptions } from "../../sidecar/mod.ts";
import { programLogger } from "../../worker/program-logger.ts";
import { bytes, logLevel, port } from "../flags.ts";

/** The flags of `waybill sidecar`, as they were written. */
export interface SidecarFlags {
  readonly node?: string;
  readonly host?: string;
  readonly port?: string;
  readonly advertise?: string;
  readonly socket?: string;
  readonly budget?: string;
  readonly segment?: string;
  readonly "gpu-bytes"?: string;
  readonly servers?: string;
  readonly namespace?: string;
  readonly "token-file"?: string;
  readonly "ucx-bind"?: string;
  readonly "ucx-port"?: string;
  readonly "ucx-advertise"?: string;
  readonly "net-devices"?: string;
  readonly "ucx-tls"?: string;
  readonly ucx?: boolean;
  readonly "shared-memory"?: boolean;
  readonly "metrics-port"?: string;
  readonly "log-level"?: string;
}

/**
 * What a sidecar is told by its flags, then by the environment.
 *
 * @throws {ConnectError} naming the flag, the value seen and the value wanted
 */
export async function sidecarOptions(flags: SidecarFlags): Promise<SidecarOptions> {
  const { env } = process;
  const level = logLevel("--log-level", flags["log-level"]);
  return {
    node: flags.node ?? env.WAYBILL_NODE,
    host: flags.host,
    port: port("--port", flags.port),
    advertiseUrl: flags.advertise,
    socketPath: flags.socket,
    budgetBytes: bytes("--budget", flags.budget),
    segmentBytes: bytes("--segment", flags.segment),
    gpuBytes: bytes("--gpu-bytes", flags["gpu-bytes"]),
    servers: (flags.servers ?? env.WAYBILL_URL)?.split(",").filter((url) => url !== ""),
    namespace: flags.namespace ?? env.WAYBILL_NAMESPACE,
    token: env.WAYBILL_TOKEN,
    user: env.WAYBILL_USER,
    password: env.WAYBILL_PASSWORD,
    tokens: flags["token-file"] === undefined ? undefined : await readTokens(flags["token-file"]),
    ucx: flags.ucx === false ? false : {
      bind: flags["ucx-bind"],
      port: port("--ucx-port", flags["ucx-port"]),
      advertise: flags["ucx-advertise"],
      netDevices: flags["net-devices"],
      tls: flags["ucx-tls"],
    },
    sharedMemory: flags["shared-memory"],
    metricsPort: port("--metrics-port", flags["metrics-port"] ?? env.WAYBILL_METRICS_PORT),
    logger: programLogger({ ...env, ...level === undefined ? {} : { WAYBILL_LOG_LEVEL: level } }),
  };
}

/** Not on the command line, which others can read. */
async function readTokens(file: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const message = `Cannot run this: --token-file must be a file that can be read, got "${file}"`;
    throw new ConnectError(message, Code.InvalidArgument, undefined, undefined, cause);
  }
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}
