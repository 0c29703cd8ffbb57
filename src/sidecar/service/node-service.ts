import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { NodeService } from "../../../gen/waybill/v1/node_pb.ts";
import { nodeService } from "../../data/node-service.ts";
import type { TensorStore } from "../../data/store.ts";
import { mustBe, type Standing } from "../access.ts";
import { descriptionToWire, type NodeDescription } from "./describe.ts";
import { list } from "./list.ts";
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

/** The whole node service, each method for who may use it. */
export function sidecarService(host: NodeServiceHost, place: NodeServicePlace): Partial<ServiceImpl<typeof NodeService>> {
  const { store, watches } = host;
  const { maxMessageBytes, way, standingOf, open = false } = place;
  const plain = nodeService(store, { maxMessageBytes, way });
  const trusted = (context: HandlerContext, action: string) => open || mustBe("trusted", standingOf(context), action);
  return {
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
    async *list(request, context) {
      mustBe("trusted", standingOf(context), "Cannot list tensors");
      yield* list(store, request);
    },
    async *watch(request, context) {
      if (request.tensors.length === 0) mustBe("trusted", standingOf(context), "Cannot watch all leases");
      yield* watches.watch(request, context);
    },
  };
}
