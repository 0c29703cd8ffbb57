import { type Client, createClient } from "@connectrpc/connect";
import { NodeService } from "../../gen/waybill/v1/node_pb.ts";
import type { Caller } from "../rpc/caller.ts";
import { serviceRoute } from "../rpc/route.ts";
import { BusTransport } from "../rpc/transport.ts";
import type { BusWay } from "../waybill/way.ts";

/** A client of a node's service. */
export type NodeClient = Client<typeof NodeService>;

/** Nodes whose clients are kept; the one made first leaves first. */
const MAX_CLIENTS = 1_024;

/** Clients of nodes over the bus. */
export class NodeClients {
  /** What carries the calls. */
  readonly caller: Caller;
  readonly #clients = new Map<string, NodeClient>();

  constructor(caller: Caller) {
    this.caller = caller;
  }

  /** Whether a way leads over this bus: subjects of another namespace are not ours to publish to. */
  reaches(way: BusWay): boolean {
    return way.namespace === this.caller.subjects.namespace;
  }

  /** The client of a node. */
  of(node: string): NodeClient {
    let client = this.#clients.get(node);
    if (client === undefined) {
      const route = serviceRoute(this.caller.subjects.node(node), `node "${node}"`);
      client = createClient(NodeService, new BusTransport({ caller: this.caller, route }));
      if (this.#clients.size >= MAX_CLIENTS) this.#clients.delete(this.#clients.keys().next().value as string);
      this.#clients.set(node, client);
    }
    return client;
  }
}
