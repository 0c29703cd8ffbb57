import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { LeaseService } from "../../../gen/waybill/v1/lease_pb.ts";
import type { TensorStore } from "../../data/store.ts";
import { mustBe, type Standing } from "../access.ts";
import { list } from "./list.ts";
import type { Watches } from "./watches.ts";

/** A node's leases: all of them for who looks after it, their own for who holds some. */
export function leaseService(
  store: TensorStore,
  watches: Watches,
  standingOf: (context: HandlerContext) => Standing,
): ServiceImpl<typeof LeaseService> {
  return {
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
