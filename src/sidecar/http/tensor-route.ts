import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { getWhole, proofOf } from "../../data/http-answers.ts";
import type { FetchHandler } from "../../data/server.ts";
import type { TensorStore } from "../../data/store.ts";
import type { Route } from "./batch-route.ts";

const PATH = /^\/v1\/tensors\/([\w-]+)$/;
/** Headers of who wants more than all of a tensor, and of pages. */
const SPECIAL = ["range", "if-range", "if-match", "if-none-match", "origin"] as const;

/**
 * Answers those who want all of a small tensor, over HTTP/1.1, as most do: going by `Request` and `Response` costs more than the tensor.
 * What is special, large or refused is left to the app, which answers the same.
 */
export function tensorRoute(store: TensorStore, app: { readonly fetch: FetchHandler }): Route {
  const byApp = getRequestListener((request) => app.fetch(request), { overrideGlobalObjects: false });
  const whole = async (reference: string, authorization: string | undefined) => {
    try {
      return await getWhole(store, proofOf(reference, authorization));
    } catch {
      // The app finds the same fault, and tells it.
      return undefined;
    }
  };
  const answer = async (reference: string, request: IncomingMessage, response: ServerResponse) => {
    const found = await whole(reference, request.headers.authorization);
    if (response.destroyed) return;
    if (found === undefined) return void byApp(request, response);
    response.writeHead(200, found.headers);
    response.end(found.bytes);
  };
  return (request, response) => {
    const { headers, method, url = "" } = request;
    if (method !== "GET" || "stream" in response) return false;
    const reference = PATH.exec(url)?.[1];
    if (reference === undefined || SPECIAL.some((name) => headers[name] !== undefined)) return false;
    void answer(reference, request as IncomingMessage, response);
    return true;
  };
}
