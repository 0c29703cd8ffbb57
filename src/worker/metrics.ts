import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { TensorStore } from "../data/store.ts";

/** Counts the requests of one operator. Labels are looked up once, not per request. */
export interface OperatorMetrics {
  started(): void;
  /** @param code `"ok"` or the error's @param startedAt on the `performance.now()` clock */
  ended(code: string, startedAt: number): void;
}

/** Prometheus metrics of one worker. */
export class WorkerMetrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"operator" | "code">;
  readonly #inflight: Gauge<"operator">;
  readonly #seconds: Histogram<"operator">;

  constructor(labels: Record<string, string>, store: () => TensorStore | undefined) {
    const registers = [this.#registry];
    this.#registry.setDefaultLabels(labels);
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Counter({
      name: "waybill_requests_total",
      help: "Requests that ended, by operator and code",
      labelNames: ["operator", "code"],
      registers,
    });
    this.#inflight = new Gauge({
      name: "waybill_requests_inflight",
      help: "Requests that run now, by operator",
      labelNames: ["operator"],
      registers,
    });
    this.#seconds = new Histogram({
      name: "waybill_request_seconds",
      help: "How long requests ran, by operator",
      labelNames: ["operator"],
      buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60],
      registers,
    });
    new Gauge({
      name: "waybill_store_used_bytes",
      help: "Bytes of tensors that are kept for others",
      registers,
      collect() {
        this.set(store()?.describe().usedBytes ?? 0);
      },
    });
    new Gauge({
      name: "waybill_store_leases",
      help: "Leases on tensors that are kept for others",
      registers,
      collect() {
        this.set(store()?.describe().leases ?? 0);
      },
    });
    new Gauge({
      name: "waybill_store_leaked_leases",
      help: "Leases that ended by expiry rather than by release",
      registers,
      collect() {
        this.set(store()?.describe().leakedLeases ?? 0);
      },
    });
  }

  /** What is counted for one operator. */
  operator(operator: string): OperatorMetrics {
    const succeeded = this.#requests.labels({ operator, code: "ok" });
    const inflight = this.#inflight.labels({ operator });
    const seconds = this.#seconds.labels({ operator });
    return {
      started: () => inflight.inc(),
      ended: (code, startedAt) => {
        inflight.dec();
        (code === "ok" ? succeeded : this.#requests.labels({ operator, code })).inc();
        seconds.observe((performance.now() - startedAt) / 1000);
      },
    };
  }

  /** The page that Prometheus reads, and its content type. */
  async page(): Promise<{ text: string; contentType: string }> {
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }
}
