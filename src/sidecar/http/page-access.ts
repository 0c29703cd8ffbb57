import type { Route } from "./batch-route.ts";
import { pathOf } from "./bounds.ts";

/** Connect's services; the routes of tensors look after themselves. */
const SERVICES = /^\/(waybill|inference|grpc)\./;
/** For how long a browser need not ask again. */
const MAX_AGE_SECONDS = 600;

/**
 * Lets pages of some origins call the node's services, as browsers want to be told by servers of other origins (CORS). Others may
 * send what they like: without the headers their browsers keep tokens and answers to themselves.
 */
export function pageAccess(allowedOrigins: readonly string[] = []): Route {
  const allowed = new Set(allowedOrigins);
  return (request, response) => {
    const { origin } = request.headers;
    if (origin === undefined || allowed.size === 0 || !SERVICES.test(pathOf(request))) return false;
    response.setHeader("vary", "origin");
    if (!allowed.has(origin)) return false;
    response.setHeader("access-control-allow-origin", origin);
    // Metadata has names of its own; without credentials all may be named so.
    response.setHeader("access-control-expose-headers", "*");
    if (request.method !== "OPTIONS") return false;
    response.setHeader("access-control-allow-methods", "POST, GET");
    response.setHeader("access-control-allow-headers", request.headers["access-control-request-headers"] ?? "");
    response.setHeader("access-control-max-age", String(MAX_AGE_SECONDS));
    response.statusCode = 204;
    response.end();
    return true;
  };
}
