import { BucketDiscovery, type BucketDiscoveryOptions } from "./bucket-discovery.ts";
import { MemoryBucket } from "./memory-bucket.ts";
import { MemoryStore } from "./memory-store.ts";

/** How a {@linkcode MemoryDiscovery} behaves. */
export interface MemoryDiscoveryOptions extends BucketDiscoveryOptions {
  /** What it shares with others. Default: a store of its own. */
  store?: MemoryStore;
}

/**
 * Discovery within one process. Either give one object to everybody, or give everybody an object of their own over one
 * `MemoryStore`, which can then be cut off and disposed of one by one.
 *
 * @example
 * ```ts
 * const store = new MemoryStore();
 * const worker = new MemoryDiscovery({ store });
 * const client = new MemoryDiscovery({ store });
 * ```
 */
export class MemoryDiscovery extends BucketDiscovery {
  readonly #bucket: MemoryBucket;

  constructor(options: MemoryDiscoveryOptions = {}) {
    const bucket = new MemoryBucket(options.store ?? new MemoryStore());
    super(bucket, options);
    this.#bucket = bucket;
  }

  /** Cuts it off, as an outage would: calls fail, leases are not renewed, watches hear nothing. For tests. */
  disconnect(): void {
    this.#bucket.disconnect();
  }

  /** Ends the outage. For tests. */
  reconnect(): void {
    this.#bucket.reconnect();
  }
}
