import type { Waybill } from "../waybill/descriptor.ts";
import type { HttpWay } from "../waybill/way.ts";
import type { NodeClients } from "./node-clients.ts";
import type { TensorStore } from "./store.ts";

/** An owner that needs no descriptor to be reached: a store of this process, or a node that it has a session with. */
export type NearOwner = Pick<TensorStore, "node" | "share" | "touch" | "release">;

/** How a tensor's owner is talked to: in this process, by its node service, or over HTTP where that is out of reach. */
export type Owner =
  | { readonly kind: "local"; readonly store: NearOwner }
  | { readonly kind: "bus"; readonly node: string }
  | { readonly kind: "http" }
  | { readonly kind: "none" };

/** Finds the owners of tensors. */
export class Owners {
  /** Clients of nodes' services; `undefined` where none can be reached. */
  readonly nodes: NodeClients | undefined;
  readonly #stores = new Map<string, TensorStore>();
  readonly #near = new Map<string, NearOwner>();

  constructor(nodes: NodeClients | undefined, stores: Iterable<TensorStore>) {
    this.nodes = nodes;
    for (const store of stores) this.add(store);
  }

  /** The store of a node, if it is in this process. */
  store(node: string): TensorStore | undefined {
    return this.#stores.get(node);
  }

  /** Adds a store of this process. */
  add(store: TensorStore): void {
    this.#stores.set(store.node, store);
  }

  /** Forgets a store. */
  remove(store: TensorStore): void {
    if (this.#stores.get(store.node) === store) this.#stores.delete(store.node);
  }

  /** Adds a node that this process has a session with. */
  addNear(owner: NearOwner): void {
    this.#near.set(owner.node, owner);
  }

  /** Forgets such a node. */
  removeNear(owner: NearOwner): void {
    if (this.#near.get(owner.node) === owner) this.#near.delete(owner.node);
  }

  /** How to talk to a tensor's owner: over the bus by name alone only where its descriptor knows nothing better. */
  of(waybill: Waybill): Owner {
    const store = this.#stores.get(waybill.node) ?? this.#near.get(waybill.node);
    if (store !== undefined) return { kind: "local", store };
    const { nodes } = this;
    if (nodes !== undefined) {
      if (nodes.prefers(waybill)) return { kind: "bus", node: waybill.node };
      for (const way of waybill.ways) {
        if (way.kind === "bus" && nodes.refusal(way) === undefined) return { kind: "bus", node: way.node };
      }
    }
    if (httpWay(waybill) !== undefined) return { kind: "http" };
    return nodes === undefined ? { kind: "none" } : { kind: "bus", node: waybill.node };
  }

  /** Tensors by owner, so that each is asked once. */
  group(waybills: Iterable<Waybill>): { owner: Owner; waybills: Waybill[] }[] {
    const groups = new Map<string, { owner: Owner; waybills: Waybill[] }>();
    for (const waybill of waybills) {
      const owner = this.of(waybill);
      const key = ownerKey(owner, waybill);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { owner, waybills: [waybill] });
      else group.waybills.push(waybill);
    }
    return [...groups.values()];
  }
}

/** The same for tensors that one message can name. */
export function ownerKey(owner: Owner, waybill: Waybill): string {
  return owner.kind === "bus" ? `bus ${owner.node}` : `${owner.kind} ${waybill.node}`;
}

/** The first `http` way of a tensor. */
export function httpWay(waybill: Waybill): HttpWay | undefined {
  return waybill.ways.find((way) => way.kind === "http");
}
