import { collectDefaultMetrics, type Registry } from "prom-client";
import type { TensorStore } from "../data/store.ts";
import { CallMetrics } from "../telemetry/metrics/call-metrics.ts";
import { watchEventLoop } from "../telemetry/metrics/event-loop-lag-node.ts";
import {
  addMetric,
  type MetricsPage,
  newRegistry,
  pageOf,
  type Sample,
  type SampledMetric,
} from "../telemetry/metrics/registry.ts";
import type { ClientObserver } from "../telemetry/observer.ts";
import { OperatorStats } from "./operator-metrics.ts";
import { storeMetrics } from "./store-metrics.ts";

/** How full an operator is: read when metrics are. */
export interface OperatorLoad {
  readonly name: string;
  /** Requests that run now. */
  readonly inflight: number;
  /** Requests that may run at once. */
  readonly slots: number;
}

/** Prometheus metrics of one worker. */
export class WorkerMetrics {
  /** What the worker calls and fetches itself. */
  readonly calls: ClientObserver;
  readonly #registry: Registry;
  readonly #operators: OperatorStats[] = [];
  readonly #lag: { close(): void } | undefined;
  #loads: () => readonly OperatorLoad[] = () => [];

  /** @param served whether somebody will read them: only then the process itself is watched too */
  constructor(labels: Record<string, string>, store: () => TensorStore | undefined, served: boolean) {
    const registry = this.#registry = newRegistry(labels);
    for (const metric of this.#metrics()) addMetric(registry, metric);
    for (const metric of storeMetrics(store)) addMetric(registry, metric);
    this.calls = new CallMetrics(registry);
    if (!served) return;
    collectDefaultMetrics({ register: registry });
    this.#lag = watchEventLoop(registry);
  }

  /** What is counted for one operator; its versions are counted together. */
  operator(name: string): OperatorStats {
    const known = this.#operators.find(({ operator }) => operator === name);
    if (known !== undefined) return known;
    const stats = new OperatorStats(name);
    this.#operators.push(stats);
    return stats;
  }

  /** Tells how full the operators are, once they are served. */
  watch(loads: () => readonly OperatorLoad[]): void {
    this.#loads = loads;
  }

  /** Adds what other parts of the worker count. */
  add(metrics: readonly SampledMetric[]): void {
    for (const metric of metrics) addMetric(this.#registry, metric);
  }

  /** The page that Prometheus reads. */
  page(): Promise<MetricsPage> {
    return pageOf(this.#registry);
  }

  /** Stops watching the process. */
  close(): void {
    this.#lag?.close();
  }

  #metrics(): SampledMetric[] {
    const each = (samples: (stats: OperatorStats) => Iterable<Sample>) => () =>
      this.#operators.flatMap((stats) => [...samples(stats)]);
    const load = (value: (load: OperatorLoad) => number) => () =>
      this.#operators.map(({ operator }) => {
        const versions = this.#loads().filter(({ name }) => name === operator);
        return { labels: { operator }, value: versions.reduce((sum, version) => sum + value(version), 0) };
      });
    return [
      {
        name: "waybill_requests_total",
        help: "Requests that ended, by operator, outcome and mode; refused ones too",
        type: "counter",
        samples: each((stats) => stats.requests()),
      },
      {
        name: "waybill_requests_in_flight",
        help: "Requests that run now, by operator",
        type: "gauge",
        samples: load(({ inflight }) => inflight),
      },
      {
        name: "waybill_slots",
        help: "Requests that may run at once, by operator",
        type: "gauge",
        samples: load(({ slots }) => slots),
      },
      {
        name: "waybill_request_duration_seconds",
        help: "How long requests ran, by operator",
        type: "histogram",
        samples: each(({ operator, durations }) => durations.samples("waybill_request_duration_seconds", { operator })),
      },
      {
        name: "waybill_request_queue_seconds",
        help: "How long queued requests had been in the queue when they were taken, by operator",
        type: "histogram",
        samples: each(({ operator, waits }) => waits.samples("waybill_request_queue_seconds", { operator })),
      },
      {
        name: "waybill_redeliveries_total",
        help: "Queued requests that came here after another attempt had failed, by operator",
        type: "counter",
        samples: each(({ operator, redeliveries }) => [{ labels: { operator }, value: redeliveries }]),
      },
      {
        name: "waybill_dead_letters_total",
        help: "Requests that this worker gave up, by operator and reason",
        type: "counter",
        samples: each((stats) => stats.deadLetters()),
      },
      {
        name: "waybill_tensor_bytes_total",
        help: "Bytes of inputs and outputs, by operator, direction and the way they came or were offered",
        type: "counter",
        samples: each((stats) => stats.bytes()),
      },
    ];
  }
}
