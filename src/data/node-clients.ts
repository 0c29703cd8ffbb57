import { type Client, createClient } from "@connectrpc/connect";
import { NodeService } from "../../gen/waybill/v1/node_pb.ts";
import type { Caller } from "../rpc/caller.ts";
import { serviceRoute } from "../rpc/route.ts";
import { BusTransport } from "../rpc/transport.ts";
import type { Waybill } from "../waybill/descriptor.ts";
import type { BusWay } from "../waybill/way.ts";

/** A client of a node's service. */
export type NodeClient = Client<typeof NodeService>;

/** Nodes whose clients are kept; the one made first leaves first. */
const MAX_CLIENTS = 1_024;

/** Finds the services of nodes. */
export interface NodeClients {
  /** Most that a message may take, in bytes. */
  readonly maxMessageBytes: number;
  /** The client of a node. */
  of(node: string): NodeClient;
  /** The way to a node of which no more than its name is known. */
  wayTo(node: string): BusWay;
  /** Why a way cannot be taken from here, such as `"another namespace"`; `undefined` when it can. */
  refusal(way: BusWay): string | undefined;
  /** Whether the owner's service is to be asked before any way that its descriptor names. */
  prefers(waybill: Waybill): boolean;
}

/** Clients of nodes over the bus. */
export class BusNodeClients implements NodeClients {
  readonly #caller: Caller;
  readonly #clients = new Map<string, NodeClient>();

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  get maxMessageBytes(): number {
    return this.#caller.bus.maxPayloadBytes;
  }

  of(node: string): NodeClient {
    let client = this.#clients.get(node);
    if (client === undefined) {
      const route = serviceRoute(this.#caller.subjects.node(node), `node "${node}"`);
      client = createClient(NodeService, new BusTransport({ caller: this.#caller, route }));
      if (this.#clients.size >= MAX_CLIENTS) this.#clients.delete(this.#clients.keys().next().value as string);
      this.#clients.set(node, client);
    }
    return client;
  }

  wayTo(node: string): BusWay {
    return { kind: "bus", namespace: this.#caller.subjects.namespace, node };
  }

  /** Subjects of another namespace are not ours to publish to. */
  refusal(way: BusWay): string | undefined {
    return way.namespace === this.#caller.subjects.namespace ? undefined : "another namespace";
  }

  /** The bus is the last resort for bytes, and the descriptor says which owner listens there. */
  prefers(): boolean {
    return false;
  }
}
