import type { TensorStore } from "../data/store.ts";
import type { SampledMetric } from "../telemetry/metrics/registry.ts";

const WAYS = ["shm", "ucx", "http", "bus"] as const;

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
  const memory = (name: string, help: string, field: "capacityBytes" | "usedBytes" | "largestFreeBytes"): SampledMetric => ({
    name,
    help,
    type: "gauge",
    samples: () => {
      const usage = store()?.describe().memory;
      return usage === undefined ? [] : [{ labels: {}, value: usage[field] }];
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
      samples: () => {
        const served = store()?.describe().servedBytes;
        return WAYS.map((way) => ({ labels: { way }, value: served?.[way] ?? 0 }));
      },
    },
    gauge(
      "waybill_store_pinned_tensors",
      "Tensors that pins alone keep: their leases have ended",
      (it) => it.describe().pinned,
    ),
    gauge("waybill_store_waiting", "Producers that wait for space", (it) => it.describe().waiting),
    memory("waybill_arena_bytes", "Bytes of the memory that tensors are kept in, where that is not the heap", "capacityBytes"),
    memory("waybill_arena_used_bytes", "Bytes of it that are taken, with what sizes are rounded up by", "usedBytes"),
    memory("waybill_arena_largest_free_bytes", "Its longest free run: nothing larger fits", "largestFreeBytes"),
  ];
}
