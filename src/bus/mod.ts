/**
 * The bus: one narrow interface over whatever carries messages, and the adapters that implement it.
 *
 * @module
 */
export { connectBus } from "./connect.ts";
export { connectMemory } from "./memory.ts";
export { MemoryBroker } from "./memory-broker.ts";
export { silentLogger } from "./logger.ts";
export { fromConnection } from "./own.ts";
export { redactUrl } from "./urls.ts";
export { subjectMatches } from "./subjects.ts";

export type { Bus, BusHeaders, BusMessage, BusRequestOptions, BusStatus, BusSubscription } from "./bus.ts";
export type { Logger } from "./logger.ts";
export type { MemoryBus, MemoryBusOptions } from "./memory.ts";
export type { MemoryBrokerOptions, MemoryEnvelope, MemoryRoute } from "./memory-broker.ts";
export type { NatsBusOptions } from "./nats-connection.ts";
export type {
  NatsConnectionLike,
  NatsHeadersLike,
  NatsInfoLike,
  NatsMessageLike,
  NatsStatusLike,
  NatsSubscriptionLike,
} from "./nats-types.ts";
export type { BusOptions, BusTlsOptions, Refreshed, WebSocketFactory, WebSocketLike } from "./options.ts";
