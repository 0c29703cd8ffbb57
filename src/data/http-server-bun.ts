import { type FetchHandler, IDLE_SECONDS, type ListeningServer } from "./http-server.ts";

/** The part of `Bun` that is used here. */
interface BunRuntime {
  serve(options: {
    fetch: FetchHandler;
    hostname: string;
    port: number;
    idleTimeout: number;
    maxRequestBodySize: number;
    development: boolean;
    reusePort: boolean;
  }): { port: number; stop(closeActiveConnections?: boolean): Promise<void> };
}

/** Listens with Bun's server. Its own limits (10 s of silence, bodies of 128 MiB) would end uploads that are fine. */
export function listenBun(fetch: FetchHandler, hostname: string, port: number): Promise<ListeningServer> {
  const { Bun } = globalThis as unknown as { Bun: BunRuntime };
  const idleTimeout = IDLE_SECONDS;
  const maxRequestBodySize = Number.MAX_SAFE_INTEGER;
  // Bun 1.4 shares a port with whoever has it where `development` is false and this is left out: each then gets some of the requests.
  const limits = { idleTimeout, maxRequestBodySize, development: false, reusePort: false };
  const server = Bun.serve({ fetch, hostname, port, ...limits });
  return Promise.resolve({
    port: server.port,
    stop: () => server.stop(),
    kill: () => server.stop(true),
  });
}
