import { Code, ConnectError } from "@connectrpc/connect";
import type { DataPlane, PutTensorOptions } from "../data/data-plane.ts";
import { fault } from "../rpc/error.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { Waybill } from "../waybill/mod.ts";
import type { Link } from "./link.ts";

/** Nodes that are asked; a full one may take some seconds to say so. */
const MAX_NODES = 3;

/** Puts a tensor into the store of a node that the link knows: of another one, where the first has no room for it. */
export async function upload(
  data: DataPlane,
  link: Link,
  tensor: Tensor,
  options: PutTensorOptions,
): Promise<Waybill> {
  const refused: string[] = [];
  let reason: unknown;
  while (refused.length < MAX_NODES) {
    const node = await link.uploadNode(options, refused);
    if (node === undefined) break;
    try {
      return (await data.put({ node }, tensor, options)).waybill;
    } catch (error) {
      if (ConnectError.from(error).code !== Code.ResourceExhausted) throw error;
      reason = error;
      refused.push(node);
    }
  }
  throw reason ?? fault(
    `Cannot send ${tensor} by reference: no node that keeps tensors is up; serve them yourself with client.serveTensors()`,
    Code.Unavailable,
    { reason: "NO_NODE" },
  );
}
