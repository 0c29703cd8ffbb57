import type { DiscoveryCallOptions } from "./discovery.ts";

/** A value in a bucket, or the mark that one was deleted. */
export interface BucketEntry {
  /** Where it is. */
  readonly key: string;
  /** Its bytes; none on a mark. */
  readonly value: Uint8Array;
  /** Grows with each write to the bucket. */
  readonly revision: number;
  /** Set on the mark that stays for a while: somebody deleted the value, or its time ran out. */
  readonly deleted?: "closed" | "expired";
  /** How long ago it was written, by the store's clock alone; `undefined` when the store does not tell. */
  readonly ageMs?: number;
}

/** How to write a value. */
export interface PutOptions extends DiscoveryCallOptions {
  /** After how long the store drops the value by itself, if it can. Default: never. */
  ttlMs?: number;
  /** Writes only when the key's last revision is this; 0 for a key that was never written. Default: overwrites. */
  expectedRevision?: number;
}

/** What a bucket tells a watcher. */
export interface BucketListener {
  /** All that is in the bucket: at first, and again after each interruption (or whenever the bucket sees fit). */
  snapshot(entries: readonly BucketEntry[]): void;
  /** One later write. */
  change(entry: BucketEntry): void;
  /** Nothing will be heard before the next snapshot. */
  interrupted(): void;
  /** Nothing will be heard at all. */
  failed(error: Error): void;
}

/** A running watch of a bucket. */
export interface BucketWatch {
  /** Ends it. */
  stop(): void;
  /**
   * When the store was last heard, on the clock of `performance.now()`: all that was written some time before that is known.
   * Until then nobody can be said to be silent.
   */
  heardAt(): number;
}

/**
 * The small key-value store that discovery is built on; its layouts and clocks stay behind this interface. All calls throw
 * `ConnectError`: `unavailable`, `permission_denied`.
 */
export interface Bucket {
  /** The entry of a key, marks included; `undefined` when it is known that there is none. */
  get(key: string, options?: DiscoveryCallOptions): Promise<BucketEntry | undefined>;
  /** Writes a value. Throws `aborted` when the key's revision is not the expected one. */
  put(key: string, value: Uint8Array, options?: PutOptions): Promise<number>;
  /** Deletes a value; a mark stays for `ttlMs`. */
  delete(key: string, options: DiscoveryCallOptions & { ttlMs: number }): Promise<void>;
  /** The entries below a first token, marks included. */
  list(prefix: string, options?: DiscoveryCallOptions): Promise<BucketEntry[]>;
  /** Tells the listener about the whole bucket until it is stopped. */
  watch(listener: BucketListener): BucketWatch;
  /** Calls the listener when the store may have lost what was in it, and when it can be reached again. */
  onRestored(listener: () => void): () => void;
  /** Stops whatever it does by itself. The connection is left open. */
  close(): void;
  /** Whether the store can be reached at this moment, as far as known. */
  readonly connected: boolean;
}
