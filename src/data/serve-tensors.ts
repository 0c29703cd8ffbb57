import { createTensorApp, type TensorAppOptions } from "./http-routes.ts";
import { type HttpServer, type HttpServerOptions, serveHttp } from "./http-server.ts";
import type { TensorStore } from "./store.ts";

/** How to serve a store's tensors over HTTP. */
export interface ServeTensorsOptions extends TensorAppOptions, HttpServerOptions {}

/**
 * Serves a store's tensors over HTTP and advertises that as the first way to reach them. Closing takes the way back.
 *
 * @throws {ConnectError} as `serveHttp` and `createTensorApp`
 */
export async function serveTensors(store: TensorStore, options: ServeTensorsOptions = {}): Promise<HttpServer> {
  const server = await serveHttp(createTensorApp(store, options), options);
  const url = `${server.url}/v1/tensors`;
  store.advertise([{ kind: "http", url }, ...store.ways]);
  const close = (drain?: { drainMs?: number }) => {
    store.advertise(store.ways.filter((way) => way.kind !== "http" || way.url !== url));
    return server.close(drain);
  };
  return { url: server.url, close, [Symbol.asyncDispose]: () => close() };
}
