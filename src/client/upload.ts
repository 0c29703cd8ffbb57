import { Code } from "@connectrpc/connect";
import type { DataPlane, PutTensorOptions } from "../data/data-plane.ts";
import { fault } from "../rpc/error.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { Waybill } from "../waybill/mod.ts";
import type { Link } from "./link.ts";

/** Puts a tensor into the store of a node that the link knows. */
export async function upload(
  data: DataPlane,
  link: Link,
  tensor: Tensor,
  options: PutTensorOptions,
): Promise<Waybill> {
  const node = await link.uploadNode(options);
  if (node === undefined) {
    throw fault(
      `Cannot send ${tensor} by reference: no node that keeps tensors is up; serve them yourself with client.serveTensors()`,
      Code.Unavailable,
      { reason: "NO_NODE" },
    );
  }
  return (await data.put({ node }, tensor, options)).waybill;
}
