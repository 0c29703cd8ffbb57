import type { Interceptor } from "@connectrpc/connect";
import type { Bus } from "../bus/bus.ts";
import { DEFAULT_NAMESPACE } from "../bus/defaults.ts";
import { BusNodeClients } from "../data/node-clients.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { pickUploadNode } from "../discovery/resolve.ts";
import { Caller, type CallerOptions } from "../rpc/caller.ts";
import { operatorRoute, type OperatorRouteOptions } from "../rpc/route.ts";
import { BusTransport } from "../rpc/transport.ts";
import { inferCodecs } from "../tensor/mod.ts";
import { lookUp } from "./catalog.ts";
import type { Link, OperatorTransport } from "./link.ts";

/** How a client uses its connection to a broker. */
export interface BusLinkOptions extends Partial<CallerOptions> {
  /** Whether the connection is closed with the client. */
  ownsBus: boolean;
}

/** A connection to a broker. */
export class BusLink implements Link {
  readonly bus: Bus;
  readonly caller: Caller;
  readonly namespace: string;
  readonly discovery: Discovery;
  readonly nodes: BusNodeClients;
  readonly #ownsBus: boolean;

  constructor(bus: Bus, discovery: Discovery, options: BusLinkOptions) {
    this.bus = bus;
    this.discovery = discovery;
    this.namespace = options.namespace ?? DEFAULT_NAMESPACE;
    this.#ownsBus = options.ownsBus;
    this.caller = new Caller(bus, {
      ...options,
      namespace: this.namespace,
      lookUp: (route) => lookUp(discovery, route),
    });
    this.nodes = new BusNodeClients(this.caller);
  }

  get maxMessageBytes(): number {
    return this.bus.maxPayloadBytes;
  }

  operator(name: string, options: OperatorRouteOptions, interceptors: Interceptor[]): OperatorTransport {
    const { caller } = this;
    const route = operatorRoute(caller.subjects, name, options);
    return new BusTransport({ caller, route, interceptors, codecs: inferCodecs });
  }

  async uploadNode(
    options: { signal?: AbortSignal; timeoutMs?: number },
    refused: readonly string[],
  ): Promise<string | undefined> {
    const instances = await this.discovery.instances({}, options);
    return pickUploadNode(instances.filter(({ node }) => !refused.includes(node)))?.node;
  }

  end(): Promise<void> {
    return this.caller.close();
  }

  async close(): Promise<void> {
    await this.discovery[Symbol.asyncDispose]();
    if (this.#ownsBus) await this.bus.close();
  }
}
