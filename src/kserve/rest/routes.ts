import { ConnectError } from "@connectrpc/connect";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { silentLogger } from "../../bus/logger.ts";
import { admit } from "../access.ts";
import { checkVersion, invalid, unsupported } from "../errors.ts";
import type { ModelHost } from "../host.ts";
import { DEFAULT_LIMITS, type KServeLimits } from "../limits.ts";
import { Serving, type ServingOptions } from "../serving.ts";
import { memorySettings } from "../settings.ts";
import { errorAnswer, jsonAnswer } from "./answers.ts";
import { generate, generateStream, infer, type ModelCall } from "./inference.ts";
import { Management } from "./management.ts";
import { readBody } from "./read-body.ts";
import { type Route, routeOf } from "./route-table.ts";

/** How models are served over REST. */
export interface KServeRoutesOptions extends ServingOptions, Partial<KServeLimits> {
  /** Origins whose pages may use it, `"*"` for all. Default: none. */
  allowedOrigins?: readonly string[];
}

/** Most that a body takes which is no request of inference. Loading brings files with it. */
const MAX_SETTINGS_BYTES = 64 * 1024;

/**
 * KServe v2 over REST, as Triton speaks it, for every model of a host: health, metadata, configuration, statistics, index, `infer`,
 * `generate`, and what the options enable. Mount it, or serve it as it is.
 */
export function kserveRoutes(host: ModelHost, options: KServeRoutesOptions = {}): Hono {
  const { allowedOrigins, logger = silentLogger, maxJsonBytes, maxBodyBytes } = options;
  const limits = {
    maxJsonBytes: maxJsonBytes ?? DEFAULT_LIMITS.maxJsonBytes,
    maxBodyBytes: maxBodyBytes ?? DEFAULT_LIMITS.maxBodyBytes,
  };
  const serving = new Serving(host, options);
  const management = new Management(serving, options.settings ?? memorySettings());
  const app = new Hono();
  const answer = async (request: Request): Promise<Response> => {
    const found = routeOf(request.method, pathOf(request.url));
    if (found === 404) return jsonAnswer('{"error":"Not Found"}', 404);
    if (found === 405) return jsonAnswer('{"error":"Method Not Allowed"}', 405);
    const model = nameOf(found.parts.model);
    await admit(options.keys, request.headers.get("authorization"), found.action, model);
    return await dispatch(serving, management, limits, request, found, model);
  };
  if (allowedOrigins !== undefined) {
    app.use(
      "/v2/*",
      cors({
        origin: allowedOrigins.includes("*") ? "*" : [...allowedOrigins],
        allowHeaders: ["authorization", "content-type", "content-encoding", "inference-header-content-length"],
        exposeHeaders: ["content-encoding", "inference-header-content-length"],
        maxAge: 600,
      }),
    );
  }
  app.all("/v2/*", (c) =>
    answer(c.req.raw).catch((error: unknown) => {
      if (!(error instanceof ConnectError)) logger.error("A request failed", { path: c.req.path, error: String(error) });
      return errorAnswer(error);
    }));
  app.notFound(() => jsonAnswer('{"error":"Not Found"}', 404));
  return app;
}

async function dispatch(
  serving: Serving,
  management: Management,
  limits: KServeLimits,
  request: Request,
  { operation, parts }: Route,
  model: string,
): Promise<Response> {
  const { kind = "", region, check = "", change = "", repository } = parts;
  const version = checkVersion(parts.version ?? "");
  const controller = new AbortController();
  const { signal } = controller;
  const settings = () => readBody(request, MAX_SETTINGS_BYTES);
  switch (operation) {
    case "server-metadata":
      return management.serverMetadata();
    case "health":
      return await management.health(check, { signal });
    case "model-ready":
      return await management.modelReady(model, version, { signal });
    case "metadata":
      return await management.metadata(model, version, { signal });
    case "config":
      return await management.config(model, version, { signal });
    case "statistics":
      return await management.statistics(model, version, { signal });
    case "index":
      return await management.index(await settings(), { signal });
    case "change":
      if (repository !== undefined) throw unsupported("'repository_name' specification is not supported");
      return await management.change(change, model, await readBody(request, limits.maxJsonBytes), { signal });
    case "memory-status":
      return await management.memoryStatus(kind, region);
    case "memory-register":
      return await management.memoryRegister(kind, region, await settings());
    case "memory-unregister":
      return await management.memoryUnregister(kind, region);
    case "trace":
      return await management.trace(model, await settings(), { signal });
    case "logging":
      return management.logging(await settings());
    default: {
      request.signal.addEventListener("abort", () => controller.abort(request.signal.reason), { once: true });
      const facts = await serving.host.model(model, version, { signal });
      const call: ModelCall = { serving, limits, request, facts, version, controller };
      if (operation === "infer") return await infer(call);
      return await (operation === "generate" ? generate(call) : generateStream(call));
    }
  }
}

/** The path as it was sent: escapes are a model's own name's. */
function pathOf(url: string): string {
  const from = url.indexOf("/", url.indexOf("://") + 3);
  const path = url.slice(from);
  const to = path.search(/[?#]/);
  const whole = to < 0 ? path : path.slice(0, to);
  // Mounted somewhere, the protocol's path is what follows.
  const start = whole.search(/\/v2(\/|$)/);
  return start > 0 ? whole.slice(start) : whole;
}

function nameOf(escaped: string | undefined): string {
  if (escaped === undefined) return "";
  let name: string;
  try {
    name = decodeURIComponent(escaped);
  } catch {
    name = escaped;
  }
  if (!/[/\0]/.test(name) && name !== ".." && name !== ".") return name;
  throw invalid("Cannot use the model's name: it must hold neither '/' nor NUL, and be none of '.' and '..'");
}
