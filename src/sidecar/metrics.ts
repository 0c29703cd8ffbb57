import { collectDefaultMetrics } from "prom-client";
import type { TensorStore } from "../data/store.ts";
import { CallMetrics } from "../telemetry/metrics/call-metrics.ts";
import { watchEventLoop } from "../telemetry/metrics/event-loop-lag-node.ts";
import { addMetric, type MetricsPage, newRegistry, pageOf } from "../telemetry/metrics/registry.ts";
import type { ClientObserver } from "../telemetry/observer.ts";
import { storeMetrics } from "../worker/store-metrics.ts";

/** What a sidecar's page tells beside its store. */
export interface SidecarLoad {
  /** Workers that are attached. */
  readonly sessions: number;
  readonly pins: number;
  readonly segmentBytes: number;
  readonly connections: number;
  readonly requests: number;
}

/** Prometheus metrics of one sidecar. */
export class SidecarMetrics {
  /** What it fetches itself. */
  readonly calls: ClientObserver;
  readonly #registry: ReturnType<typeof newRegistry>;
  readonly #lag: { close(): void };
  #load: () => SidecarLoad = () => ({ sessions: 0, pins: 0, segmentBytes: 0, connections: 0, requests: 0 });

  constructor(labels: Record<string, string>, store: TensorStore) {
    const registry = this.#registry = newRegistry(labels);
    for (const metric of storeMetrics(() => store)) addMetric(registry, metric);
    const gauge = (name: string, help: string, value: (load: SidecarLoad) => number) =>
      addMetric(registry, { name, help, type: "gauge", samples: () => [{ labels: {}, value: value(this.#load()) }] });
    gauge("waybill_sidecar_sessions", "Workers that are attached", ({ sessions }) => sessions);
    gauge("waybill_sidecar_pins", "Pins that workers hold", ({ pins }) => pins);
    gauge("waybill_sidecar_segment_bytes", "Bytes of shared memory that were made", ({ segmentBytes }) => segmentBytes);
    gauge("waybill_sidecar_connections", "Connections over HTTP and the Unix socket", ({ connections }) => connections);
    gauge("waybill_sidecar_requests", "Requests over HTTP that run", ({ requests }) => requests);
    this.calls = new CallMetrics(registry);
    collectDefaultMetrics({ register: registry });
    this.#lag = watchEventLoop(registry);
  }

  /** Tells how much there is to do, once it serves. */
  watch(load: () => SidecarLoad): void {
    this.#load = load;
  }

  /** The page that Prometheus reads. */
  page(): Promise<MetricsPage> {
    return pageOf(this.#registry);
  }

  /** Stops watching the process. */
  close(): void {
    this.#lag.close();
  }
}
