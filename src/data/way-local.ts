import { capabilityDenied } from "../waybill/capability.ts";
import type { TensorStore } from "./store.ts";
import type { LocalWay, WayHandler } from "./way-handler.ts";

/** Reads from the stores of this process. What it gives is the owner's memory, not a copy. */
export function localHandler(storeOf: (node: string) => TensorStore | undefined): WayHandler<LocalWay> {
  return {
    kind: "local",
    refusal: (_, { node }) => (storeOf(node) === undefined ? "not in this process" : undefined),
    async read({ waybill, offset, length }) {
      const store = storeOf(waybill.node);
      if (store === undefined) throw capabilityDenied();
      const { tensor } = await store.get(waybill);
      return length === tensor.byteLength ? tensor.bytes : tensor.bytes.subarray(offset, offset + length);
    },
  };
}
