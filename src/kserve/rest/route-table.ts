import type { Action } from "../access.ts";

/** What a path and a verb ask for. */
export interface Route {
  readonly operation: Operation;
  readonly action: Action;
  /** By the path's names. */
  readonly parts: Readonly<Record<string, string | undefined>>;
}

/** What the server can be asked for over REST. */
export type Operation =
  | "server-metadata"
  | "health"
  | "statistics"
  | "model-ready"
  | "config"
  | "infer"
  | "generate"
  | "generate-stream"
  | "trace"
  | "metadata"
  | "index"
  | "change"
  | "memory-status"
  | "memory-register"
  | "memory-unregister"
  | "logging";

const MODEL = "/v2/models/(?<model>[^/]+)(?:/versions/(?<version>[0-9]+))?";
const REPOSITORY = "/v2/repository(?:/(?<repository>[^/]+))?";

// In Triton's order: a model named "stats" has no metadata, but readiness.
const TABLE: readonly (readonly [path: string, verbs: string, operation: Operation, action: Action])[] = [
  ["/v2", "GET", "server-metadata", "metadata"],
  ["/v2/health/(?<check>live|ready)", "GET", "health", "health"],
  ["/v2/models/stats", "GET", "statistics", "statistics"],
  [`${MODEL}/ready`, "GET", "model-ready", "health"],
  [`${MODEL}/config`, "GET", "config", "model-config"],
  [`${MODEL}/stats`, "GET", "statistics", "statistics"],
  [`${MODEL}/infer`, "POST", "infer", "inference"],
  [`${MODEL}/generate`, "POST", "generate", "inference"],
  [`${MODEL}/generate_stream`, "POST", "generate-stream", "inference"],
  ["/v2/models/(?<model>[^/]+)/trace/setting", "GET POST", "trace", "trace"],
  [MODEL, "GET", "metadata", "metadata"],
  [`${REPOSITORY}/index`, "GET POST", "index", "model-repository"],
  [`${REPOSITORY}/models/(?<model>[^/]+)/(?<change>load|unload)`, "POST", "change", "model-repository"],
  ["/v2/(?<kind>system|cuda)sharedmemory(?:/region/(?<region>[^/]+))?/status", "GET", "memory-status", "shared-memory"],
  ["/v2/(?<kind>system|cuda)sharedmemory(?:/region/(?<region>[^/]+))?/register", "POST", "memory-register", "shared-memory"],
  [
    "/v2/(?<kind>system|cuda)sharedmemory(?:/region/(?<region>[^/]+))?/unregister",
    "POST",
    "memory-unregister",
    "shared-memory",
  ],
  ["/v2/trace/setting", "GET POST", "trace", "trace"],
  ["/v2/logging", "GET POST", "logging", "logging"],
];

const ROUTES = TABLE.map(([path, verbs, operation, action]) => ({
  pattern: new RegExp(`^${path}$`),
  verbs: verbs.split(" "),
  operation,
  action,
}));

/** The route of a path, matched whole; `405` for a verb that it does not take, `404` for a path that there is not. */
export function routeOf(method: string, path: string): Route | 404 | 405 {
  for (const { pattern, verbs, operation, action } of ROUTES) {
    const match = pattern.exec(path);
    if (match === null) continue;
    return verbs.includes(method) ? { operation, action, parts: match.groups ?? {} } : 405;
  }
  return 404;
}
