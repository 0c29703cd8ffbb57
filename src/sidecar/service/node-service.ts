import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { LeaseService } from "../../../gen/waybill/v1/lease_pb.ts";
import type { NodeService } from "../../../gen/waybill/v1/node_pb.ts";
import { nodeService } from "../../data/node-service.ts";
import type { TensorStore } from "../../data/store.ts";
import { mustBe, type Standing } from "../access.ts";
import { descriptionToWire, type NodeDescription } from "./describe.ts";
import { leaseService } from "./lease-service.ts";
import type { Watches } from "./watches.ts";

/** What serves a node. */
export interface NodeServiceHost {
  readonly store: TensorStore;
  readonly watches: Watches;
  readonly describe: () => NodeDescription;
}

/** Where a node is served. */
export interface NodeServicePlace {
  /** Largest message there, in bytes. */
  readonly maxMessageBytes: number;
  readonly way: "bus" | "http";
  /** Who asks. */
  readonly standingOf: (context: HandlerContext) => Standing;
  /** Whether anyone may put tensors and ask for descriptions, because being able to ask is a right already. Default `false`. */
  readonly open?: boolean;
}

/** A node's services, without those of its own workers. */
export interface NodeServices {
  readonly node: Partial<ServiceImpl<typeof NodeService>>;
  readonly leases: Partial<ServiceImpl<typeof LeaseService>>;
}

/** What a node serves, each method for who may use it. */
export function nodeServices(host: NodeServiceHost, place: NodeServicePlace): NodeServices {
  const { store, watches } = host;
  const { maxMessageBytes, way, standingOf, open = false } = place;
  const plain = nodeService(store, { maxMessageBytes, way });
  const trusted = (context: HandlerContext, action: string) => open || mustBe("trusted", standingOf(context), action);
  const node: NodeServices["node"] = {
    ...plain,
    put(request, context) {
      trusted(context, "Cannot upload");
      return plain.put!(request, context);
    },
    putStream(messages, context) {
      trusted(context, "Cannot upload");
      return plain.putStream!(messages, context);
    },
    describe(_, context) {
      trusted(context, "Cannot describe a node");
      return descriptionToWire(host.describe());
    },
  };
  return { node, leases: leaseService(store, watches, standingOf) };
}
