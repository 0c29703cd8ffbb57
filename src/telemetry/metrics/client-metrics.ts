/**
 * Prometheus metrics of a client, for Node, Bun and Deno.
 *
 * @example
 * ```ts
 * const metrics = clientMetrics();
 * const wb = await connect("nats://127.0.0.1:4222", { metrics });
 * console.log((await metrics.page()).text);
 * ```
 *
 * @module
 */
import { collectDefaultMetrics, type Registry } from "prom-client";
import type { ClientObserver } from "../observer.ts";
import { CallMetrics } from "./call-metrics.ts";
import { watchEventLoop } from "./event-loop-lag-node.ts";
import { type MetricsPage, newRegistry, pageOf } from "./registry.ts";

export type { Registry } from "prom-client";
export type { MetricsPage } from "./registry.ts";
export type { CallEnd, CallFacts, CallWatch, ClientObserver, FetchFacts, FetchObserver, FetchWatch } from "../observer.ts";

/** Where a client's metrics go. */
export interface ClientMetricsOptions {
  /** A prom-client registry of your own to add to, beside what else your program counts. Default: one of its own. */
  registry?: Registry;
  /** Labels of all samples; with a registry of your own they are that registry's to set. Default none. */
  labels?: Readonly<Record<string, string>>;
}

/** What a client's calls and fetches are counted in. Several clients may share one. */
export interface ClientMetrics extends ClientObserver {
  /** The page for Prometheus: serve it as `/metrics`. */
  page(): Promise<MetricsPage>;
  /** Stops watching the event loop. */
  close(): void;
}

/** Makes metrics to give to `connect` as `metrics`. */
export function clientMetrics(options: ClientMetricsOptions = {}): ClientMetrics {
  const registry = options.registry ?? newRegistry(options.labels ?? {});
  // A registry of the program's own has these already, if it wants them.
  if (options.registry === undefined) collectDefaultMetrics({ register: registry });
  const calls = new CallMetrics(registry);
  const lag = watchEventLoop(registry);
  return {
    call: (facts) => calls.call(facts),
    fetch: (facts) => calls.fetch(facts),
    page: () => pageOf(registry),
    close: () => lag.close(),
  };
}
