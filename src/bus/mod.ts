/**
 * The bus: one narrow interface over whatever carries messages, and the adapters that implement it.
 *
 * @module
 */
export { connectMemory } from "./memory.ts";
export { MemoryBroker } from "./memory-broker.ts";
export { silentLogger } from "./logger.ts";
export { subjectMatches } from "./subjects.ts";

export type { Bus, BusHeaders, BusMessage, BusRequestOptions, BusStatus, BusSubscription } from "./bus.ts";
export type { Logger } from "./logger.ts";
export type { MemoryBus, MemoryBusOptions } from "./memory.ts";
export type { MemoryBrokerOptions } from "./memory-broker.ts";
