import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus } from "../bus/bus.ts";
import { DEFAULT_NAMESPACE, DEFAULT_TCP_URL } from "../bus/defaults.ts";
import type { Logger } from "../bus/logger.ts";
import type { BusOptions } from "../bus/options.ts";
import type { ServeTensorsOptions } from "../client/serve-tensors.ts";
import type { Tracing } from "../telemetry/observer.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { DEFAULT_ACK_WAIT_MS, MAX_ACK_WAIT_MS, MIN_ACK_WAIT_MS } from "../rpc/beats.ts";
import type { Operator } from "./operator.ts";

/** What a worker serves, and how. What a deployment says (in the environment) goes before what is left out here. */
export interface WorkerOptions extends Omit<BusOptions, "name"> {
  /** What it serves; of these only those that `WAYBILL_OPERATORS` (a JSON list of names) has, where it is set. */
  operators: readonly Operator[];
  /** Its name in lists and logs. Default `WAYBILL_NAME`, else the first operator's name. */
  name?: string;
  /** Broker URLs. Default `WAYBILL_URL`, else `nats://127.0.0.1:4222`. */
  servers?: string | readonly string[];
  /** The deployment's namespace. Default `WAYBILL_NAMESPACE`, else `"default"`. */
  namespace?: string;
  /** Port of `/metrics` and `/healthz` on 127.0.0.1; 0 is any free one. Default `WAYBILL_METRICS_PORT`, else none. */
  metricsPort?: number;
  /** Whether requests are counted. `false` leaves it out, and serves no `/metrics`. Default `WAYBILL_METRICS`, else `true`. */
  metrics?: boolean;
  /**
   * Whether spans are made, or what makes them ({@linkcode openTelemetry}). Default: where the program has registered an OpenTelemetry tracer
   * provider before the worker starts, with its API; `WAYBILL_TRACING=false` turns that off.
   */
  tracing?: boolean | Tracing;
  /** How its tensors are served to others. Default: over HTTP on 127.0.0.1 and over the bus. */
  tensors?: ServeTensorsOptions;
  /**
   * The node's sidecar, `unix:/path/to/node.sock`: outputs are made in its memory, and tensors of the node are read there. Default
   * `WAYBILL_SIDECAR`, else none: tensors stay in the worker's own memory.
   */
  sidecar?: string;
  /** Bytes of the sidecar's memory that outputs are made in at first. Default: the sidecar's. */
  segmentBytes?: number;
  /** How long its loop may be blocked before its requests are given to others. Default 30,000 ms. */
  stallMs?: number;
  /** How long it may be silent about a request until another worker gets it, for operators that do not say it. From 500. Default
   * `WAYBILL_ACK_WAIT_MS`, else 5,000 ms. */
  ackWaitMs?: number;
  /** How long running requests have to end when it drains. Default `WAYBILL_DRAIN_MS`, else 30,000 ms. */
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
  & Required<Pick<WorkerOptions, "name" | "namespace" | "stallMs" | "ackWaitMs" | "drainMs" | "waitOnFirstConnectMs">>
  & { servers: readonly string[] };

/**
 * Fills in what the environment and the defaults say.
 *
 * @throws {ConnectError} `invalid_argument` when there is no operator, or one twice, or a variable makes no sense
 */
export function resolveOptions(options: WorkerOptions, env: Record<string, string | undefined>): ResolvedWorkerOptions {
  const operators = chosen(options.operators, env.WAYBILL_OPERATORS);
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
    operators,
    token: options.token ?? env.WAYBILL_TOKEN,
    user: options.user ?? env.WAYBILL_USER,
    password: options.password ?? env.WAYBILL_PASSWORD,
    name: options.name ?? env.WAYBILL_NAME ?? first.name,
    namespace: options.namespace ?? env.WAYBILL_NAMESPACE ?? DEFAULT_NAMESPACE,
    metricsPort: options.metricsPort ?? variable(env, "WAYBILL_METRICS_PORT", 65_535),
    metrics: options.metrics ?? flag(env, "WAYBILL_METRICS"),
    tracing: options.tracing ?? flag(env, "WAYBILL_TRACING"),
    sidecar: options.sidecar ?? (env.WAYBILL_SIDECAR || undefined),
    local: options.local ?? { role: "worker" },
    stallMs: options.stallMs ?? 30_000,
    ackWaitMs: ackWait(options.ackWaitMs ?? variable(env, "WAYBILL_ACK_WAIT_MS", MAX_ACK_WAIT_MS)),
    drainMs: options.drainMs ?? variable(env, "WAYBILL_DRAIN_MS", Number.MAX_SAFE_INTEGER) ?? 30_000,
    waitOnFirstConnectMs: options.waitOnFirstConnectMs ?? 30_000,
    servers: typeof servers === "string" ? [servers] : servers,
  };
}

function ackWait(value: number = DEFAULT_ACK_WAIT_MS): number {
  if (Number.isInteger(value) && value >= MIN_ACK_WAIT_MS && value <= MAX_ACK_WAIT_MS) return value;
  throw refusal(`ackWaitMs must be an integer from ${MIN_ACK_WAIT_MS} to ${MAX_ACK_WAIT_MS}, got ${value}`);
}

function variable(env: Record<string, string | undefined>, name: string, max: number): number | undefined {
  const text = env[name];
  if (text === undefined || text === "") return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw refusal(`${name} must be an integer from 0 to ${max}, got "${text}"`);
}

function flag(env: Record<string, string | undefined>, name: string): boolean | undefined {
  const text = env[name];
  if (text === undefined || text === "") return undefined;
  if (text === "true" || text === "false") return text === "true";
  throw refusal(`${name} must be true or false, got "${text}"`);
}

/** Of a file's operators those that a deployment wants of it. */
function chosen(operators: readonly Operator[], text: string | undefined): readonly Operator[] {
  if (text === undefined || text === "") return operators;
  const names = namesIn(text);
  if (names === undefined) throw refusal(`WAYBILL_OPERATORS must be a JSON list of names, got ${text}`);
  const known = operators.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw refusal(`its operators are ${known.map((name) => `"${name}"`).join(", ")}, wanted of it is "${unknown}"`);
  }
  return operators.filter(({ name }) => names.includes(name));
}

function namesIn(text: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((name) => typeof name === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

function refusal(text: string): ConnectError {
  return new ConnectError(`Cannot start a worker: ${text}`, Code.InvalidArgument);
}
