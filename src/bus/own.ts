import type { Bus } from "./bus.ts";
import { NatsBus, type NatsBusOptions } from "./nats-connection.ts";
import type { NatsConnectionLike } from "./nats-types.ts";

/**
 * Uses a connection that the caller made, of `nats` 2.29, `nats.ws` 1.30 or @nats-io 3.4. The caller keeps it: closing or
 * draining the bus ends the bus's own subscriptions and leaves the connection open.
 *
 * @example
 * ```ts
 * import { connect } from "@nats-io/transport-node";
 * const nc = await connect({ servers: "nats://127.0.0.1:4222", maxReconnectAttempts: -1, noAsyncTraces: true });
 * const bus = fromConnection(nc);
 * ```
 *
 * @param options by default, answers to requests come to the connection's own `inboxPrefix`
 */
export function fromConnection(connection: NatsConnectionLike, options: NatsBusOptions = {}): Bus {
  return new NatsBus(connection, { ...options, inboxPrefix: options.inboxPrefix ?? inboxPrefixOf(connection) });
}

/** Where the client keeps its options, so that a user who may subscribe to few subjects need not say it twice. */
function inboxPrefixOf(connection: object): string | undefined {
  const { options } = connection as { options?: { inboxPrefix?: unknown } };
  return typeof options?.inboxPrefix === "string" && options.inboxPrefix !== "" ? options.inboxPrefix : undefined;
}
