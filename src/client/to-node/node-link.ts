import { createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { type ListOperatorsResponse, OperatorService } from "../../../gen/waybill/v1/operator_pb.ts";
import type { Bus } from "../../bus/bus.ts";
import { refresh, type Refreshed } from "../../bus/options.ts";
import type { Discovery, DiscoveryCallOptions } from "../../discovery/discovery.ts";
import type { Caller } from "../../rpc/caller.ts";
import { escapeName } from "../../rpc/names.ts";
import type { OperatorRouteOptions } from "../../rpc/route.ts";
import type { Link, OperatorTransport } from "../link.ts";
import { LinkedNodes } from "./linked-nodes.ts";
import type { NodeAddress } from "./node-address.ts";
import { needsBroker, NodeDiscovery } from "./node-discovery.ts";
import type { NodeFacts } from "./node-facts.ts";
import { NodeTransport } from "./node-transport.ts";
import type { NodeWire } from "./node-wire.ts";
import { OpenCalls } from "./open-calls.ts";

/** Longest that the node's list is waited for. */
const LIST_TIMEOUT_MS = 5_000;

/** A connection to one node: its services by Connect or gRPC, in place of a broker's subjects. */
export class NodeLink implements Link {
  readonly discovery: Discovery;
  readonly nodes: LinkedNodes;
  readonly #wire: NodeWire;
  readonly #address: NodeAddress;
  readonly #token: Refreshed<string> | undefined;
  readonly #calls = new OpenCalls();
  /** Tensors are let go after the calls have ended: those are calls of their own. */
  readonly #tensorCalls = new OpenCalls();
  readonly #plain: Transport;
  #facts: NodeFacts = { node: "", namespace: "", relays: false, maxMessageBytes: 0 };

  constructor(wire: NodeWire, address: NodeAddress, token: Refreshed<string> | undefined) {
    this.#wire = wire;
    this.#address = address;
    this.#token = token ?? address.token;
    this.#plain = wire.transport([this.#identify]);
    this.discovery = new NodeDiscovery((name, options) => this.list(name, options));
    const origin = address.socketPath === undefined ? new URL(address.baseUrl).origin : undefined;
    this.nodes = new LinkedNodes(() => this.#facts, origin, (header) => {
      const transport = header === undefined ? this.#plain : wire.transport([this.#identify, withHeader(...header)]);
      return this.#transport(transport, "the node's tensors", "", {}, this.#tensorCalls);
    });
  }

  get bus(): Bus {
    throw needsBroker("use the bus");
  }

  get caller(): Caller {
    throw needsBroker("call over the bus");
  }

  get namespace(): string {
    return this.#facts.namespace;
  }

  get maxMessageBytes(): number {
    return this.#facts.maxMessageBytes;
  }

  /** Asks what the node serves, and learns what it says of itself. */
  async list(name: string, { signal, timeoutMs = LIST_TIMEOUT_MS }: DiscoveryCallOptions = {}): Promise<ListOperatorsResponse> {
    const transport = this.#transport(this.#plain, "the node's operators", "", {}, this.#calls);
    const listed = await createClient(OperatorService, transport).listOperators({ name }, { signal, timeoutMs });
    const { node, namespace, relays, maxMessageBytes } = listed;
    this.#facts = { node, namespace, relays, maxMessageBytes: Number(maxMessageBytes) };
    return listed;
  }

  operator(name: string, route: OperatorRouteOptions, interceptors: Interceptor[]): OperatorTransport {
    // For its check alone: the same names are refused as over the bus.
    escapeName(name);
    const transport = interceptors.length === 0 ? this.#plain : this.#wire.transport([...interceptors, this.#identify]);
    return this.#transport(transport, `operator "${name}"`, name, route, this.#calls);
  }

  uploadNode(_options: unknown, refused: readonly string[]): Promise<string | undefined> {
    return Promise.resolve(refused.length === 0 ? this.#facts.node : undefined);
  }

  end(): Promise<void> {
    this.#calls.close();
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#tensorCalls.close();
    this.#wire.close();
    return Promise.resolve();
  }

  #transport(
    transport: Transport,
    label: string,
    operator: string,
    route: OperatorRouteOptions,
    calls: OpenCalls,
  ): NodeTransport {
    return new NodeTransport({
      ...{ transport, label, operator, route, calls },
      duplex: this.#wire.duplex,
      shown: this.#address.shown,
    });
  }

  /** The innermost, so that a user's interceptors do not see the token. */
  readonly #identify: Interceptor = (next) => (request) => {
    request.header.delete("authorization");
    const token = this.#token === undefined ? "" : refresh(this.#token);
    if (token !== "") request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

function withHeader(name: string, value: string): Interceptor {
  return (next) => (request) => {
    request.header.set(name, value);
    return next(request);
  };
}
