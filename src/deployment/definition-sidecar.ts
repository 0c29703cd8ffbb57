import type { SidecarLimits, SidecarUcxOptions } from "../sidecar/mod.ts";

/** A node's sidecar that a deployment starts before its workers: it owns their tensors, in shared memory, and moves them. */
export interface DeploymentSidecar {
  /** Bytes of all its tensors. Default 1 GiB. */
  budgetBytes?: number;
  /** Bytes of one segment of shared memory. Default 64 MiB. */
  segmentBytes?: number;
  /** The address to listen on for HTTP and gRPC. Default `"127.0.0.1"`: this host only. */
  host?: string;
  /** Its port. Default 0: any free one. */
  port?: number;
  /** The URL by which others reach it, where that is not the address's. */
  advertiseUrl?: string;
  /** Bearer tokens of callers over HTTP that put and list tensors, and call operators. Default: none. */
  tokens?: readonly string[];
  /** Origins whose pages may read its tensors. Default: none. */
  allowedOrigins?: readonly string[];
  /** UCX, where it is found. `false` leaves it out. Default: on. */
  ucx?: SidecarUcxOptions | false;
  /** Whether tensors are in shared memory, where the addon is found. Default `true`. */
  sharedMemory?: boolean;
  /** What it takes at once, and for how long. */
  limits?: SidecarLimits;
  /** How long a lease lasts from its start and from each use. Default 300,000 ms. */
  leaseMs?: number;
  /** Environment variables beside those of the supervisor, such as UCX's own; they win. */
  env?: Readonly<Record<string, string>>;
}
