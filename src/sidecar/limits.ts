import { checkAtLeast } from "../data/check.ts";

/** What a sidecar takes at once, and for how long. */
export interface SidecarLimits {
  /** Connections at once, over TCP and the Unix socket; more are closed at once. Default 1,024. */
  maxConnections?: number;
  /** Requests over HTTP at once; more are answered `resource_exhausted`. Default 1,024. */
  maxRequests?: number;
  /** Attached workers at once. Default 256. */
  maxSessions?: number;
  /** Watchers of leases at once. Default 64. */
  maxWatches?: number;
  /** Bytes of one message of the node service, in and out. Default 16,777,216 (16 MiB). */
  maxMessageBytes?: number;
  /** Operations in one batch. Default 4,096. */
  maxOperations?: number;
  /** Pins of one worker at once. Default 65,536. */
  maxPins?: number;
  /** How long the head of a request may take to come, and the body of one that is no upload. Default 10,000 ms. */
  requestTimeoutMs?: number;
  /** How long one request may take as a whole, an upload or a slow reader too; sessions and watches have no end. Default 900,000 ms. */
  transferTimeoutMs?: number;
  /** How long a connection may be without a request, and a reader without reading what is there for it. Default 30,000 ms. */
  idleTimeoutMs?: number;
}

const DEFAULTS: Required<SidecarLimits> = {
  maxConnections: 1_024,
  maxRequests: 1_024,
  maxSessions: 256,
  maxWatches: 64,
  maxMessageBytes: 16 * 2 ** 20,
  maxOperations: 4_096,
  maxPins: 65_536,
  requestTimeoutMs: 10_000,
  transferTimeoutMs: 900_000,
  idleTimeoutMs: 30_000,
};

/**
 * Fills in what is left out.
 *
 * @throws {ConnectError} `invalid_argument` for one that is no integer above 0
 */
export function resolveLimits(limits: SidecarLimits = {}): Required<SidecarLimits> {
  const resolved = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS) as (keyof SidecarLimits)[]) {
    resolved[name] = checkAtLeast("Cannot start a sidecar", `limits.${name}`, limits[name] ?? DEFAULTS[name], 1);
  }
  return resolved;
}
