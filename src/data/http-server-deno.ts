import type { FetchHandler, ListeningServer } from "./http-server.ts";

/** The part of `Deno` that is used here. */
interface DenoRuntime {
  serve(
    options: { hostname: string; port: number; signal: AbortSignal; onListen: () => void },
    handler: (request: Request, info: { completed: Promise<void> }) => Response | Promise<Response>,
  ): { addr: { port: number }; finished: Promise<void> };
}

/**
 * Listens with Deno's server. Not with its own `shutdown()`: that waits for as long as a client keeps a connection, and nothing
 * can end it then (Deno 2.9: aborting after it throws).
 */
export function listenDeno(fetch: FetchHandler, hostname: string, port: number): Promise<ListeningServer> {
  const { Deno } = globalThis as unknown as { Deno: DenoRuntime };
  const controller = new AbortController();
  let running = 0;
  let idle: PromiseWithResolvers<void> | undefined;
  const done = () => {
    if (--running === 0) idle?.resolve();
  };
  const server = Deno.serve({ hostname, port, signal: controller.signal, onListen() {} }, (request, { completed }) => {
    if (idle !== undefined) return new Response(null, { status: 503, headers: { connection: "close" } });
    running++;
    completed.then(done, done);
    return fetch(request);
  });
  return Promise.resolve({
    port: server.addr.port,
    stop() {
      idle ??= Promise.withResolvers();
      if (running === 0) idle.resolve();
      return idle.promise;
    },
    kill() {
      controller.abort();
      return server.finished;
    },
  });
}
