import type { Bus } from "../bus/bus.ts";
import { silentLogger } from "../bus/logger.ts";
import { inboxPrefixOf } from "../bus/owner.ts";
import { BucketDiscovery, type BucketDiscoveryOptions } from "./bucket-discovery.ts";
import { KvBucket } from "./kv-bucket.ts";
import { kvNames } from "./kv-names.ts";

/** How a {@linkcode KvDiscovery} behaves. */
export interface KvDiscoveryOptions extends BucketDiscoveryOptions {
  /** Whose records these are: 1 to 32 characters of `a-z`, `0-9`, `_`, `-`. Namespaces do not see each other. */
  namespace: string;
  /** First tokens of the subjects that listings and watches come to; one that this user may subscribe below. Default: the connection's. */
  inboxPrefix?: string;
  /** Where the broker keeps the bucket, if this object makes it. Default `"memory"`: workers write their records again. */
  storage?: "memory" | "file";
  /** On how many servers of a cluster the bucket is kept, if this object makes it. Default 1. */
  replicas?: number;
  /** How often the broker tells a watch that it is still there; after 2.5 times that, the watch starts anew. Default 1,000 ms. */
  heartbeatMs?: number;
  /** How often a watch reads everything, where the user may not make consumers. Default 2,000 ms. */
  pollMs?: number;
}

/**
 * Discovery in a key-value bucket of the broker (JetStream): `wb_<namespace>`, with the keys `decl.<operator>` and
 * `inst.<instance>` and values in JSON, so that `nats kv ls wb_demo` and `nats kv get` show it. The first write makes the bucket.
 * With brokers since 2.11 a dead process's record vanishes by itself; with older ones only watchers notice.
 *
 * What a user must be permitted is told by {@linkcode discoveryRights}.
 *
 * @example
 * ```ts
 * const discovery = new KvDiscovery(bus, { namespace: "demo" });
 * const watch = await discovery.watch((event) => console.log(event.type));
 * ```
 */
export class KvDiscovery extends BucketDiscovery {
  /**
   * @param bus left open on disposal
   * @throws {ConnectError} `invalid_argument` when `namespace` is none
   */
  constructor(bus: Bus, options: KvDiscoveryOptions) {
    const bucket = new KvBucket(bus, {
      names: kvNames(options.namespace),
      inboxPrefix: options.inboxPrefix ?? inboxPrefixOf(bus.owner),
      storage: options.storage ?? "memory",
      replicas: options.replicas ?? 1,
      heartbeatMs: options.heartbeatMs ?? 1000,
      pollMs: options.pollMs ?? 2000,
      logger: options.logger ?? silentLogger,
    });
    super(bucket, options);
  }
}
