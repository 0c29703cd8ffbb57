import { Code, ConnectError } from "@connectrpc/connect";
import type { NodeClients } from "./node-clients.ts";
import type { WayHandler } from "./way-handler.ts";
import type { BusWay } from "../waybill/way.ts";

/** Reads over the bus, in pieces and with credits: the last resort. */
export function busHandler(nodes: NodeClients | undefined): WayHandler<BusWay> {
  return {
    kind: "bus",
    refusal(way) {
      return nodes === undefined ? "no bus here" : nodes.refusal(way);
    },
    async read({ waybill, way, offset, length, signal }) {
      const { reference, capability } = waybill;
      if (nodes === undefined) throw new ConnectError("Cannot fetch a tensor over the bus: there is none", Code.Unavailable);
      const bytes = new Uint8Array(length);
      // To the service a length of 0 means all.
      if (length === 0 && waybill.byteSize > 0) return bytes;
      let at = 0;
      const request = { tensor: { reference, capability }, offset: BigInt(offset), length: BigInt(length) };
      for await (const { data } of nodes.of(way.node).get(request, { signal })) {
        if (data.length > length - at) throw wrongSize(length, `${at + data.length} or more`);
        bytes.set(data, at);
        at += data.length;
      }
      if (at < length) throw wrongSize(length, String(at));
      return bytes;
    },
  };
}

function wrongSize(wanted: number, seen: string): ConnectError {
  return new ConnectError(`Cannot fetch a tensor over the bus: ${wanted} bytes must come, got ${seen}`, Code.DataLoss);
}
