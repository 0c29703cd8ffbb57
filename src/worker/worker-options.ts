import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus } from "../bus/bus.ts";
import { DEFAULT_NAMESPACE, DEFAULT_TCP_URL } from "../bus/defaults.ts";
import type { Logger } from "../bus/logger.ts";
import type { BusOptions } from "../bus/options.ts";
import type { ServeTensorsOptions } from "../client/serve-tensors.ts";
import type { Discovery } from "../discovery/discovery.ts";
import type { Operator } from "./operator.ts";

/** What a worker serves, and how. What a deployment says (in the environment) goes before what is left out here. */
export interface WorkerOptions extends Omit<BusOptions, "name"> {
  /** What it serves. */
  operators: readonly Operator[];
  /** Its name in lists and logs. Default `WAYBILL_NAME`, else the first operator's name. */
  name?: string;
  /** Broker URLs. Default `WAYBILL_URL`, else `nats://127.0.0.1:4222`. */
  servers?: string | readonly string[];
  /** The deployment's namespace. Default `WAYBILL_NAMESPACE`, else `"default"`. */
  namespace?: string;
  /** Port of `/metrics` and `/healthz` on 127.0.0.1; 0 is any free one. Default `WAYBILL_METRICS_PORT`, else none. */
  metricsPort?: number;
  /** How its tensors are served to others. Default: over HTTP on 127.0.0.1 and over the bus. */
  tensors?: ServeTensorsOptions;
  /** How long its loop may be blocked before its requests are given to others. Default 30,000 ms. */
  stallMs?: number;
  /** How long running requests have to end when it drains. Default 30,000 ms. */
  drainMs?: number;
  /** Default: JSON lines on standard output where the worker is the program, else silent. */
  logger?: Logger;
  /**
   * A connection to use instead of `servers`, with its discovery: for tests and for one process. Beats come from the loop then.
   *
   * @internal
   */
  over?: { bus: Bus; discovery: Discovery };
}

/** A worker's options with everything decided. */
export type ResolvedWorkerOptions =
  & WorkerOptions
  & Required<Pick<WorkerOptions, "name" | "namespace" | "stallMs" | "drainMs" | "waitOnFirstConnectMs">>
  & { servers: readonly string[] };

/**
 * Fills in what the environment and the defaults say.
 *
 * @throws {ConnectError} `invalid_argument` when there is no operator, or one twice, or a variable makes no sense
 */
export function resolveOptions(options: WorkerOptions, env: Record<string, string | undefined>): ResolvedWorkerOptions {
  const { operators } = options;
  const first = operators[0];
  if (first === undefined) {
    throw new ConnectError("Cannot start a worker: operators must hold at least one", Code.InvalidArgument);
  }
  const seen = new Set<string>();
  for (const { name, version } of operators) {
    if (seen.has(`${name}\n${version}`)) {
      const text = `Cannot start a worker: operator "${name}" version ${version} is listed twice`;
      throw new ConnectError(text, Code.InvalidArgument);
    }
    seen.add(`${name}\n${version}`);
  }
  const servers = options.servers ?? env.WAYBILL_URL?.split(",") ?? [DEFAULT_TCP_URL];
  return {
    ...options,
    token: options.token ?? env.WAYBILL_TOKEN,
    user: options.user ?? env.WAYBILL_USER,
    password: options.password ?? env.WAYBILL_PASSWORD,
    name: options.name ?? env.WAYBILL_NAME ?? first.name,
    namespace: options.namespace ?? env.WAYBILL_NAMESPACE ?? DEFAULT_NAMESPACE,
    metricsPort: options.metricsPort ?? portOf(env.WAYBILL_METRICS_PORT),
    stallMs: options.stallMs ?? 30_000,
    drainMs: options.drainMs ?? 30_000,
    waitOnFirstConnectMs: options.waitOnFirstConnectMs ?? 30_000,
    servers: typeof servers === "string" ? [servers] : servers,
  };
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port < 65536) return port;
  throw new ConnectError(`Cannot start a worker: WAYBILL_METRICS_PORT must be a port, got "${text}"`, Code.InvalidArgument);
}
