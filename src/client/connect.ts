import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus } from "../bus/bus.ts";
import { connectBus } from "../bus/connect.ts";
import { DEFAULT_NAMESPACE } from "../bus/defaults.ts";
import { fromConnection } from "../bus/own.ts";
import type { NatsConnectionLike } from "../bus/nats-types.ts";
import type { BusOptions } from "../bus/options.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { KvDiscovery } from "../discovery/kv-discovery.ts";
import { BusLink } from "./bus-link.ts";
import { Client, type ClientOptions } from "./client.ts";

/** How to connect: the client's options and the connection's. */
export interface ConnectOptions extends ClientOptions, BusOptions {}

/**
 * Connects to a deployment through its broker.
 *
 * @param servers URLs with explicit scheme and port: `wss://` or `ws://` anywhere, `nats://` or `tls://` where there is TCP
 * @throws {ConnectError} `invalid_argument` for a URL that cannot work, `unavailable` when no broker answers,
 * `unauthenticated` when it refuses the credentials
 *
 * @example
 * ```ts
 * const wb = await connect("ws://127.0.0.1:9222");
 * const { output } = await wb.operator("encoder").infer({ input: Tensor.from("INT64", [1n, 2n, 3n]) });
 * console.log((await output.fetch()).data);
 * await wb.close();
 * ```
 */
export async function connect(servers: string | readonly string[], options: ConnectOptions = {}): Promise<Client> {
  const bus = await connectBus(servers, options);
  return new Client(new BusLink(bus, defaultDiscovery(bus, options), { ...options, ownsBus: true }), options);
}

/** A client over a connection of the caller's own (`nats.ws`, `nats` or `@nats-io/*`), which stays the caller's to close. */
export function clientOf(connection: NatsConnectionLike, options: ClientOptions = {}): Client {
  const bus = fromConnection(connection, options);
  return new Client(new BusLink(bus, defaultDiscovery(bus, options), { ...options, ownsBus: true }), options);
}

/** A client over any bus, with a discovery of its own choice; the bus stays the caller's to close. */
export function clientOver(bus: Bus, discovery: Discovery, options: ClientOptions = {}): Client {
  return new Client(new BusLink(bus, discovery, { ...options, ownsBus: false }), options);
}

function defaultDiscovery(bus: Bus, options: ClientOptions & { inboxPrefix?: string }): Discovery {
  if (!bus.canStore) {
    throw new ConnectError("Cannot discover operators: the broker stores nothing, enable JetStream", Code.FailedPrecondition);
  }
  const { namespace = DEFAULT_NAMESPACE, logger, inboxPrefix } = options;
  return new KvDiscovery(bus, { namespace, logger, inboxPrefix });
}
