import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { NodeService } from "../../../gen/waybill/v1/node_pb.ts";
import { NODE_HEADER } from "../../client/to-node/headers.ts";
import type { NodeClient, NodeClients } from "../../data/node-clients.ts";
import { isOwnedId } from "../../rpc/ids.ts";
import { invalidArgument } from "../../tensor/errors.ts";

type Service = Partial<ServiceImpl<typeof NodeService>>;

/** How tensors of other nodes are reached. */
export interface RelayOptions {
  /** The node's own name. */
  readonly node: string;
  /** Other nodes, over the node's bus. */
  readonly nodes: NodeClients;
  /** Asked before anything is passed on: throws what the caller is to be told where it may not. */
  readonly admit: (context: HandlerContext) => void;
}

/**
 * A node's tensor service that passes on what clients want of other nodes: those that are connected straight to this one can reach
 * no other. Owners check capabilities, as always; tensors stream through.
 */
export function relayedNodes(own: Service, options: RelayOptions): Service {
  const other = (context: HandlerContext) => otherNode(options, context);
  return {
    ...own,
    put: (request, context) => {
      const node = other(context);
      return node === undefined ? own.put!(request, context) : node.put(request, passedOn(context));
    },
    get: (request, context) => {
      const node = other(context);
      return node === undefined ? own.get!(request, context) : node.get(request, passedOn(context));
    },
    share: (request, context) => {
      const node = other(context);
      return node === undefined ? own.share!(request, context) : node.share(request, passedOn(context));
    },
    touch: (request, context) => {
      const node = other(context);
      return node === undefined ? own.touch!(request, context) : node.touch(request, passedOn(context));
    },
    release: (request, context) => {
      const node = other(context);
      return node === undefined ? own.release!(request, context) : node.release(request, passedOn(context));
    },
  };
}

function otherNode({ node, nodes, admit }: RelayOptions, context: HandlerContext): NodeClient | undefined {
  const wanted = context.requestHeader.get(NODE_HEADER);
  if (wanted === null || wanted === node) return undefined;
  admit(context);
  if (isOwnedId(wanted)) return nodes.of(wanted);
  throw invalidArgument(`Cannot reach a node: ${NODE_HEADER} must be a node's name, got another text`);
}

function passedOn(context: HandlerContext): { signal: AbortSignal; timeoutMs: number | undefined } {
  return { signal: context.signal, timeoutMs: context.timeoutMs() };
}
