import { createClient, type Transport } from "@connectrpc/connect";
import { NodeService } from "../../../gen/waybill/v1/node_pb.ts";
import type { NodeClient, NodeClients } from "../../data/node-clients.ts";
import type { Waybill } from "../../waybill/descriptor.ts";
import type { BusWay } from "../../waybill/way.ts";
import { NODE_HEADER } from "./headers.ts";
import type { NodeFacts } from "./node-facts.ts";

/** Pieces of uploads. The node takes more in one message, but four of them are on their way at once. */
const PIECE_BYTES = 2 ** 20;
/** Nodes behind the node whose clients are kept; the one made first leaves first. */
const MAX_CLIENTS = 256;

/** The tensor service of the node that a client is connected to, and through it those of others, where it passes calls on. */
export class LinkedNodes implements NodeClients {
  readonly maxMessageBytes: number = PIECE_BYTES;
  readonly #facts: () => NodeFacts;
  readonly #origin: string | undefined;
  readonly #transport: (header: [name: string, value: string] | undefined) => Transport;
  readonly #clients = new Map<string, NodeClient>();

  /**
   * @param origin of the URL that the client is connected to; `undefined` where it is no URL
   * @param transport to the node, with a header on each call
   */
  constructor(
    facts: () => NodeFacts,
    origin: string | undefined,
    transport: (header: [name: string, value: string] | undefined) => Transport,
  ) {
    this.#facts = facts;
    this.#origin = origin;
    this.#transport = transport;
  }

  of(node: string): NodeClient {
    let client = this.#clients.get(node);
    if (client === undefined) {
      const own = node === this.#facts().node;
      client = createClient(NodeService, this.#transport(own ? undefined : [NODE_HEADER, node]));
      if (this.#clients.size >= MAX_CLIENTS) this.#clients.delete(this.#clients.keys().next().value as string);
      this.#clients.set(node, client);
    }
    return client;
  }

  wayTo(node: string): BusWay {
    return { kind: "bus", namespace: this.#facts().namespace, node };
  }

  refusal(way: BusWay): string | undefined {
    const { node, namespace, relays } = this.#facts();
    if (way.node === node) return undefined;
    if (!relays) return `node "${node}" passes nothing on to others`;
    return way.namespace === namespace ? undefined : "another namespace";
  }

  /** What its own descriptors name need not be reachable from here, except at the very URL that the client is connected to. */
  prefers({ node, ways }: Waybill): boolean {
    return node === this.#facts().node &&
      !ways.some((way) => way.kind === "http" && new URL(way.url).origin === this.#origin);
  }
}
