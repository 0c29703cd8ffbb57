/**
 * A store's face over plain HTTP, for anything that speaks it.
 *
 * @module
 */
import { base64Encode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { timingSafeEqual } from "hono/utils/buffer";
import { type Logger, silentLogger } from "../bus/logger.ts";
import { invalidArgument, show } from "../tensor/errors.ts";
import type { Waybill } from "../waybill/descriptor.ts";
import { waybillToJson, waybillToString } from "../waybill/encoding.ts";
import { EXPOSED_HEADERS, getTensor, proofOf } from "./http-answers.ts";
import { errorToHttp } from "./http-error.ts";
import { receiveTensor } from "./http-upload.ts";
import { readText } from "./stream.ts";
import type { TensorStore } from "./store.ts";

/** Bytes of a body that says how to share or touch. */
const MAX_OPTIONS_BYTES = 4_096;

/** How a store is served over HTTP. */
export interface TensorAppOptions {
  /** Takes `PUT` from who has the token, a bearer secret, or one that is allowed. Default: takes none. */
  acceptUploads?: { readonly token: string } | { readonly allows: (token: string) => boolean };
  /** Origins whose pages may use it. Default: none. */
  allowedOrigins?: readonly string[];
  /** Default: silent. */
  logger?: Logger;
}

/**
 * Makes a Hono app of a store:
 *
 * | route | does |
 * | --- | --- |
 * | `GET`, `HEAD /v1/tensors/:reference` | the bytes, with `Range` a part of them |
 * | `DELETE /v1/tensors/:reference` | ends the lease; with `?consumed=true` only one that is for one request |
 * | `POST /v1/tensors/:reference/touch` | renews it; the body may be `{"leaseMs": 60000}` |
 * | `POST /v1/tensors/:reference/share` | a second lease, likewise; with `"once": true` for one request |
 * | `PUT /v1/tensors?dtype=FP32&shape=1,3` | a new tensor |
 *
 * The reference is Base64url, and so is the capability, which is the bearer token; of `PUT` that is `acceptUploads.token`. In place of
 * both the path may hold the waybill's string, for what sends no headers.
 * Descriptors are answered as JSON, or as the URL-safe string where `Accept` says `text/plain`; errors as `{code, message}`.
 *
 * @throws {ConnectError} `invalid_argument` for an upload token of fewer than 16 characters
 */
export function createTensorApp(store: TensorStore, options: TensorAppOptions = {}): Hono {
  const { acceptUploads, allowedOrigins, logger = silentLogger } = options;
  if (acceptUploads !== undefined && "token" in acceptUploads && acceptUploads.token.length < 16) {
    throw invalidArgument("Cannot serve tensors: acceptUploads.token must have at least 16 characters, got fewer");
  }
  const app = new Hono();
  if (allowedOrigins !== undefined) {
    app.use("/v1/tensors/*", cors({ origin: [...allowedOrigins], exposeHeaders: [...EXPOSED_HEADERS], maxAge: 600 }));
  }
  const proof = (c: Context) => proofOf(c.req.param("reference") ?? "", c.req.header("authorization"));

  app.get("/v1/tensors/:reference", (c) => {
    const header = (name: string) => c.req.header(name);
    const bodyless = c.req.method === "HEAD";
    return getTensor(store, proof(c), {
      bodyless,
      range: bodyless ? undefined : header("range"),
      ifRange: header("if-range"),
      ifMatch: header("if-match"),
      ifNoneMatch: header("if-none-match"),
    });
  });
  app.delete("/v1/tensors/:reference", async (c) => {
    await store.release(proof(c), { consumed: c.req.query("consumed") === "true" });
    return c.body(null, 204);
  });
  app.post("/v1/tensors/:reference/touch", async (c) => {
    const expiresAtMs = await store.touch(proof(c), (await readOptions(c.req.raw)).leaseMs);
    return c.json({ expiresAtMs });
  });
  app.post("/v1/tensors/:reference/share", async (c) => {
    const waybill = await store.share(proof(c), await readOptions(c.req.raw));
    return answerWaybill(c, waybill, 201);
  });
  app.put("/v1/tensors", async (c) => {
    if (acceptUploads === undefined) {
      throw new ConnectError("Cannot upload: this server takes no uploads", Code.PermissionDenied);
    }
    const token = /^Bearer +(.+)$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? "";
    if (!("allows" in acceptUploads ? acceptUploads.allows(token) : await timingSafeEqual(token, acceptUploads.token))) {
      throw new ConnectError("Cannot upload: the bearer token must be the server's, got none or another", Code.Unauthenticated);
    }
    const waybill = await receiveTensor(store, c.req.raw);
    c.header("location", `/v1/tensors/${base64Encode(waybill.reference, "url")}`);
    return answerWaybill(c, waybill, 201);
  });

  app.notFound((c) => c.json({ code: "not_found", message: "Cannot answer: there is no such route" }, 404));
  app.onError((error, c) => {
    if (!(error instanceof ConnectError)) {
      logger.error("A request failed", { method: c.req.method, path: c.req.routePath, error: String(error) });
    }
    const { status, body } = errorToHttp(error);
    c.header("cache-control", "no-store");
    if (status === 401) c.header("www-authenticate", "Bearer");
    return c.json(body, status as ContentfulStatusCode);
  });
  return app;
}

function answerWaybill(c: Context, waybill: Waybill, status: 201): Response {
  c.header("cache-control", "no-store");
  if (c.req.header("accept")?.includes("text/plain") === true) return c.text(waybillToString(waybill), status);
  return c.json(waybillToJson(waybill), status);
}

async function readOptions(request: Request): Promise<{ leaseMs?: number; once?: boolean }> {
  const text = await readText(request.body, MAX_OPTIONS_BYTES);
  if (text === "") return {};
  let options: unknown;
  try {
    options = JSON.parse(text);
  } catch (cause) {
    throw invalidArgument("Cannot read options: they must be a JSON object, got something else", cause);
  }
  if (typeof options !== "object" || options === null) return {};
  const once = "once" in options && options.once === true;
  if (!("leaseMs" in options)) return { once };
  if (typeof options.leaseMs === "number") return { leaseMs: options.leaseMs, once };
  throw invalidArgument(`Cannot read options: leaseMs must be a number, got ${show(options.leaseMs)}`);
}
