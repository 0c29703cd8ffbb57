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

/** How to connect: the client's options and the connection's. Of the latter, a node takes the token, `tls` and the times. */
export interface ConnectOptions extends ClientOptions, BusOptions {
  /** What a node is spoken to in; gRPC needs Node, Bun or Deno. Default `"connect"`. */
  protocol?: "connect" | "grpc";
}

const NODE_URL = /^(?:https?|unix):/i;

/**
 * Connects to a deployment through its broker, or straight to one of its nodes.
 *
 * @param servers a broker's URLs with explicit scheme and port: `wss://` or `ws://` anywhere, `nats://` or `tls://` where there is
 * TCP; or a node's: `https://` or `http://` anywhere, `unix:/path` where there are Unix sockets
 * @throws {ConnectError} `invalid_argument` for a URL that cannot work, `unavailable` when nobody answers, `unauthenticated` when
 * the credentials are refused
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
  const [first = ""] = typeof servers === "string" ? [servers] : servers;
  if (NODE_URL.test(first)) {
    if (typeof servers !== "string" && servers.length > 1) {
      throw new ConnectError(
        `Cannot connect to a node: one URL is wanted, got a list of ${servers.length}`,
        Code.InvalidArgument,
      );
    }
    const { openNodeLink } = await import("./to-node/open-node-link.ts");
    return new Client(await openNodeLink(first, options), options);
  }
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
