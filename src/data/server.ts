/**
 * Serving a store's tensors over HTTP.
 *
 * @module
 */
export { createTensorApp } from "./http-routes.ts";
export { serveHttp, urlOf } from "./http-server.ts";
export { serveTensors } from "./serve-tensors.ts";

export type { TensorAppOptions } from "./http-routes.ts";
export type { FetchHandler, HttpServer, HttpServerOptions } from "./http-server.ts";
export type { ServeTensorsOptions } from "./serve-tensors.ts";
