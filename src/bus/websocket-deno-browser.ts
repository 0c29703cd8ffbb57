import type { Logger } from "./logger.ts";
import type { WebSocketFactory } from "./options.ts";

/** What `websocket-deno.ts` is in bundles for browsers (`browser` in package.json), which hold no `ws`. They may run on Deno all the same. */
export function denoSocketFactory(logger: Logger): Promise<WebSocketFactory | undefined> {
  if ("Deno" in globalThis) logger.warn("Websockets are slow in a bundle made for browsers: Deno's own stall on small frames");
  return Promise.resolve(undefined);
}
