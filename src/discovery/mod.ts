/**
 * Discovery: who serves what. Operators are declared and outlive their workers; instances are registered under a lease and
 * vanish with their process; both can be read once or watched.
 *
 * @module
 */
export { KvDiscovery } from "./kv-discovery.ts";
export { discoveryRights } from "./kv-rights.ts";
export { MemoryDiscovery } from "./memory-discovery.ts";
export { MemoryStore } from "./memory-store.ts";
export { pickInstance, pickUploadNode, servedOperator, servingInstances, uploadNodes } from "./resolve.ts";
export { StaticDiscovery } from "./static-discovery.ts";
export { compareVersions, highestVersion } from "./versions.ts";

export type {
  Discovery,
  DiscoveryCallOptions,
  DiscoveryEvent,
  InstanceFilter,
  InstancePatch,
  RegisterOptions,
  Registration,
  Watch,
} from "./discovery.ts";
export type { BucketDiscoveryOptions } from "./bucket-discovery.ts";
export type { KvDiscoveryOptions } from "./kv-discovery.ts";
export type { DiscoveryRight } from "./kv-rights.ts";
export type { MemoryDiscoveryOptions } from "./memory-discovery.ts";
export type { PickOptions } from "./resolve.ts";
export type { StaticRecords } from "./static-discovery.ts";
