/** What the server reads at most. */
export interface KServeLimits {
  /** JSON of a request, compressed or not. Default 64 MiB. */
  readonly maxJsonBytes: number;
  /** A whole request, binary tensors included, compressed or not. Default 256 MiB. */
  readonly maxBodyBytes: number;
}

/** Limits where nothing else is said. */
export const DEFAULT_LIMITS: KServeLimits = { maxJsonBytes: 64 * 1024 * 1024, maxBodyBytes: 256 * 1024 * 1024 };
