import type { TensorStore } from "../data/store.ts";
import type { SampledMetric } from "../telemetry/metrics/registry.ts";

/** What a page tells of a store; of zeros until there is one. */
export function storeMetrics(store: () => TensorStore | undefined): SampledMetric[] {
  const gauge = (name: string, help: string, value: (store: TensorStore) => number): SampledMetric => ({
    name,
    help,
    type: name.endsWith("_total") ? "counter" : "gauge",
    samples: () => {
      const found = store();
      return [{ labels: {}, value: found === undefined ? 0 : value(found) }];
    },
  });
  return [
    gauge("waybill_store_used_bytes", "Bytes of tensors that are kept for others", (it) => it.describe().usedBytes),
    gauge("waybill_store_budget_bytes", "Bytes that may be kept for others", (it) => it.describe().budgetBytes),
    gauge("waybill_store_leases", "Leases on tensors that are kept for others", (it) => it.describe().leases),
    gauge(
      "waybill_store_leaked_leases_total",
      "Leases that ended by expiry rather than by release",
      (it) => it.describe().leakedLeases,
    ),
    {
      name: "waybill_store_served_bytes_total",
      help: "Bytes that others read of tensors that are kept here, by way",
      type: "counter",
      samples: () => Object.entries(store()?.describe().servedBytes ?? {}).map(([way, value]) => ({ labels: { way }, value })),
    },
  ];
}
