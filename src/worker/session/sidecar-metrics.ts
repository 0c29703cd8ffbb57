import type { SampledMetric } from "../../telemetry/metrics/registry.ts";
import type { JoinedSidecar } from "./join-sidecar.ts";

/** What a worker counts of its sidecar's memory. */
export function sidecarMetrics({ home, link }: Pick<JoinedSidecar, "home" | "link">): SampledMetric[] {
  const gauge = (name: string, help: string, value: () => number): SampledMetric => ({
    name,
    help,
    type: "gauge",
    samples: () => [{ labels: {}, value: value() }],
  });
  const { bytes } = home;
  return [
    gauge("waybill_sidecar_attached", "1 while the worker has a session with its sidecar", () => link.session ? 1 : 0),
    gauge("waybill_sidecar_mapped_bytes", "Bytes of the sidecar's memory that are mapped to read", () => {
      return link.session?.mappedBytes ?? 0;
    }),
    gauge("waybill_segment_bytes", "Bytes of the sidecar's memory that outputs are made in", () => {
      return link.session?.own?.capacityBytes ?? 0;
    }),
    gauge("waybill_segment_used_bytes", "Bytes of them that are taken", () => link.session?.own?.usedBytes ?? 0),
    {
      name: "waybill_put_bytes_total",
      help: "Bytes that were kept for others, by how: in place, copied, sent, or in the worker's own store",
      type: "counter",
      samples: () => [
        { labels: { how: "in_place" }, value: bytes.inPlace },
        { labels: { how: "copied" }, value: bytes.copied },
        { labels: { how: "sent" }, value: bytes.sent },
        { labels: { how: "own_store" }, value: bytes.kept },
      ],
    },
  ];
}
