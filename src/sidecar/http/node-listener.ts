import type { IncomingMessage, ServerResponse } from "node:http";
import { type ConnectRouter, createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { getRequestListener } from "@hono/node-server";
import type { FetchHandler } from "../../data/server.ts";
import { type Access, standingKey } from "../access.ts";
import type { SidecarLimits } from "../limits.ts";
import type { Route } from "./batch-route.ts";
import { type Bounded, RequestBounds } from "./bounds.ts";
import type { NodeListener } from "./listener.ts";

/** What a node answers over HTTP. */
export interface NodeListenerOptions {
  /** Its Connect and gRPC services. */
  readonly routes: (router: ConnectRouter) => void;
  /** Answer before all others what is their own. */
  readonly first: readonly Route[];
  /** Everything else: the routes of the tensors. */
  readonly app: { readonly fetch: FetchHandler };
  readonly access: Access;
  readonly limits: Required<SidecarLimits>;
}

/** Methods of the services that last as long as their callers want. */
const ENDLESS: ReadonlySet<string> = new Set([
  "/waybill.v1.SessionService/Attach",
  "/waybill.v1.LeaseService/Watch",
  "/grpc.health.v1.Health/Watch",
]);

/** Whether a request may take long. Calls of operators have deadlines of their own. */
function kindOf(path: string, method: string): Bounded {
  const own = /^\/(waybill\.v1\.(Node|Lease|Session)Service|v1)\//.test(path);
  const upload = path === "/waybill.v1.NodeService/PutStream" || method === "PUT";
  const endless = ENDLESS.has(path) || path.startsWith("/inference.") || path.startsWith("/waybill.v1.OperatorService/");
  return { upload: upload || endless && !own, endless };
}

/** Answers requests of HTTP/1.1 and HTTP/2 within the limits. */
export function nodeListener(
  options: NodeListenerOptions,
): { readonly listener: NodeListener; readonly bounds: RequestBounds } {
  const { routes, first, app, access, limits } = options;
  const bounds = new RequestBounds(limits, kindOf);
  const plain = getRequestListener((request) => app.fetch(request), { overrideGlobalObjects: false });
  const connect = connectNodeAdapter({
    routes,
    readMaxBytes: limits.maxMessageBytes,
    writeMaxBytes: limits.maxMessageBytes,
    // Tensors rarely shrink, and what is small arrives in one packet.
    acceptCompression: [],
    contextValues: ({ headers }) => createContextValues().set(standingKey, access.standingOf(headers.authorization)),
    fallback: (request, response) => void plain(request as IncomingMessage, response as ServerResponse),
  });
  const listener: NodeListener = (request, response) => {
    if (!first.some((answers) => answers(request, response))) (connect as NodeListener)(request, response);
  };
  return { listener: bounds.within(listener), bounds };
}
