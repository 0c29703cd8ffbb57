import { Code } from "@connectrpc/connect";
import type { DataPlane } from "../data/data-plane.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { pickUploadNode } from "../discovery/resolve.ts";
import { fault } from "../rpc/error.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { Waybill } from "../waybill/mod.ts";

/** Puts a tensor into the store of a node that discovery finds. */
export async function upload(
  data: DataPlane,
  discovery: Discovery,
  tensor: Tensor,
  options: { signal?: AbortSignal; timeoutMs?: number },
): Promise<Waybill> {
  const target = pickUploadNode(await discovery.instances({}, options));
  if (target === undefined) {
    throw fault(
      `Cannot send ${tensor} by reference: no node that keeps tensors is up; serve them yourself with client.serveTensors()`,
      Code.Unavailable,
      { reason: "NO_NODE" },
    );
  }
  return (await data.put({ node: target.node }, tensor, options)).waybill;
}
