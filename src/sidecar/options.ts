import { hostname } from "node:os";
import { join } from "node:path";
import type { Bus } from "../bus/bus.ts";
import { DEFAULT_NAMESPACE } from "../bus/defaults.ts";
import { stateFolder } from "../bus/local-login-node.ts";
import { type Logger, silentLogger } from "../bus/logger.ts";
import type { BusOptions } from "../bus/options.ts";
import { checkAtLeast } from "../data/check.ts";
import type { Discovery } from "../discovery/discovery.ts";
import type { Operator } from "../worker/operator.ts";
import { checkName } from "../waybill/way.ts";
import { resolveLimits, type SidecarLimits } from "./limits.ts";

const PAGE_BYTES = 4_096;

/** How a sidecar uses UCX. */
export interface SidecarUcxOptions {
  /** The address to listen on. Default: the sidecar's `host`. */
  bind?: string;
  /** The address that peers dial, where that is another: `host` or `host:port`. Default: what is bound. */
  advertise?: string;
  /** Devices to use, as in `UCX_NET_DEVICES`: `"mlx5_0:1,eth0"`. Default: that variable, else what UCX finds. */
  netDevices?: string;
  /** Transports to use, as in `UCX_TLS`: `"tcp,self"`. Default: that variable, else what UCX finds. */
  tls?: string;
  /** The port to listen on; 0 is any free one. Default 0. */
  port?: number;
}

/** How to run a sidecar. */
export interface SidecarOptions extends Omit<BusOptions, "name"> {
  /** The node's name: 1 to 128 letters, digits, `.`, `_`, `-`; no other node of the namespace may have it. Default: the host's name. */
  node?: string;
  /** The address to listen on for HTTP. Default `"127.0.0.1"`: this host only. */
  host?: string;
  /** The port; 0 is any free one. Default 0. */
  port?: number;
  /** The URL by which others reach it, where it is not that of the address. No path. Default: the address's. */
  advertiseUrl?: string;
  /** The Unix socket for local workers. Default: `nodes/<node>.sock` in `$XDG_RUNTIME_DIR/waybill` or `/tmp/waybill-<uid>`. */
  socketPath?: string;
  /** Bytes of all tensors, in shared memory where there is some. Default 1,073,741,824 (1 GiB). */
  budgetBytes?: number;
  /** Bytes of one segment of shared memory; larger tensors get larger ones. Default 67,108,864 (64 MiB), or a quarter of a small budget. */
  segmentBytes?: number;
  /**
   * Bytes of each GPU to take at the start, for tensors there; they count against `budgetBytes` as well. Default 0: tensors are not
   * kept on GPUs.
   */
  gpuBytes?: number;
  /** Broker URLs. Default: none; then tensors are reached over HTTP and UCX alone. */
  servers?: string | readonly string[];
  /** The deployment's namespace. Default `"default"`. */
  namespace?: string;
  /**
   * Operators to serve in its own process; they may block it, so that those with much to compute belong into workers. Default: none.
   */
  operators?: readonly Operator[];
  /** How long a request that came over HTTP may find nobody to take it. Default 5,000 ms. */
  operatorWaitMs?: number;
  /** Bearer tokens of callers that put and list tensors, and call operators. Default: none; then only this user's programs do. */
  tokens?: readonly string[];
  /** Origins whose pages may read tensors, and call operators with a token, such as `"https://app.example.com"`. Default: none. */
  allowedOrigins?: readonly string[];
  /** UCX, where it is found. `false` leaves it out. Default: on. */
  ucx?: SidecarUcxOptions | false;
  /** Whether tensors are in shared memory, where the addon is found. `false` keeps them on the heap. Default `true`. */
  sharedMemory?: boolean;
  /** What it takes at once, and for how long. */
  limits?: SidecarLimits;
  /** How long a lease lasts from its start and from each use. Default 300,000 ms. */
  leaseMs?: number;
  /** How long tensors are still served when it stops. Default 2,000 ms. */
  drainMs?: number;
  /** Port of `/metrics` and `/healthz` on 127.0.0.1; 0 is any free one. Default: none. */
  metricsPort?: number;
  /** Default: silent. */
  logger?: Logger;
  /**
   * A connection to use instead of `servers`, with its discovery: for tests.
   *
   * @internal
   */
  over?: { bus: Bus; discovery: Discovery };
}

/** A sidecar's options with everything decided. */
export type ResolvedSidecarOptions =
  & Omit<SidecarOptions, "servers" | "limits">
  & Required<
    Pick<
      SidecarOptions,
      | "node"
      | "host"
      | "port"
      | "socketPath"
      | "budgetBytes"
      | "segmentBytes"
      | "gpuBytes"
      | "namespace"
      | "tokens"
      | "sharedMemory"
      | "drainMs"
      | "logger"
    >
  >
  & { readonly servers: readonly string[]; readonly limits: Required<SidecarLimits> };

/**
 * Fills in what is left out.
 *
 * @throws {ConnectError} `invalid_argument` for what cannot work
 */
export function resolveSidecarOptions(options: SidecarOptions): ResolvedSidecarOptions {
  const action = "Cannot start a sidecar";
  const node = checkName(action, "node", options.node ?? hostname());
  const { servers = [], limits, ...rest } = options;
  const budgetBytes = checkAtLeast(action, "budgetBytes", options.budgetBytes ?? 2 ** 30, 1);
  const segmentBytes = options.segmentBytes ?? Math.max(PAGE_BYTES, Math.min(2 ** 26, Math.floor(budgetBytes / 4)));
  return {
    ...rest,
    node,
    host: options.host ?? "127.0.0.1",
    port: checkAtLeast(action, "port", options.port ?? 0, 0),
    socketPath: options.socketPath ?? join(stateFolder(), "nodes", `${node}.sock`),
    budgetBytes,
    segmentBytes: checkAtLeast(action, "segmentBytes", segmentBytes, PAGE_BYTES),
    gpuBytes: checkAtLeast(action, "gpuBytes", options.gpuBytes ?? 0, 0),
    servers: typeof servers === "string" ? [servers] : servers,
    namespace: options.namespace ?? DEFAULT_NAMESPACE,
    tokens: options.tokens ?? [],
    sharedMemory: options.sharedMemory ?? true,
    drainMs: checkAtLeast(action, "drainMs", options.drainMs ?? 2_000, 0),
    logger: options.logger ?? silentLogger,
    limits: resolveLimits(limits),
  };
}
