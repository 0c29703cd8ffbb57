import type { Logger } from "./logger.ts";
import type { WebSocketFactory, WebSocketLike } from "./options.ts";

/** What is used of Deno. */
interface DenoLike {
  readonly permissions: { query(descriptor: { name: "env"; variable: string }): Promise<{ readonly state: string }> };
}

/** What npm `ws` reads from the environment when it is loaded. */
const variables = ["WS_NO_BUFFER_UTIL", "WS_NO_UTF_8_VALIDATE"];

/**
 * On Deno, a factory of npm `ws` sockets. Deno 2.9's own clears TCP_NODELAY: each frame between 1 and 64 KiB, and small ones
 * with 16 in flight, wait 44 ms. `undefined` elsewhere, and where `ws` may not read its environment: asking would prompt.
 */
export async function denoSocketFactory(logger: Logger): Promise<WebSocketFactory | undefined> {
  const { Deno: deno } = globalThis as { Deno?: DenoLike };
  if (deno === undefined) return undefined;
  for (const variable of variables) {
    const { state } = await deno.permissions.query({ name: "env", variable });
    if (state === "granted") continue;
    logger.warn(`Websockets are slow without the flag --allow-env=${variables.join(",")}: Deno's own stall on small frames`);
    return undefined;
  }
  const { WebSocket } = await import("ws");
  return (url) => new WebSocket(url) as WebSocketLike;
}
