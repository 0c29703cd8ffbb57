import { capabilityDenied } from "../waybill/capability.ts";
import type { TensorStore } from "./store.ts";
import type { LocalWay, WayHandler } from "./way-handler.ts";

/** Reads from the stores of this process. From the heap it gives the owner's memory, not a copy. */
export function localHandler(storeOf: (node: string) => TensorStore | undefined): WayHandler<LocalWay> {
  return {
    kind: "local",
    refusal: (_, { node }) => (storeOf(node) === undefined ? "not in this process" : undefined),
    async read({ waybill, offset, length }) {
      const store = storeOf(waybill.node);
      if (store === undefined) throw capabilityDenied();
      const { slice } = await store.get(waybill);
      const bytes = slice(offset, length);
      if (bytes === undefined) throw capabilityDenied();
      return bytes;
    },
  };
}
