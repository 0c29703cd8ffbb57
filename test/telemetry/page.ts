import { parsePage } from "../../src/telemetry/metrics/parse-page.ts";

/** The sum of a metric's samples that have some labels. */
export function total(page: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const fits = (sample: ReturnType<typeof parsePage>[number]) =>
    Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
  return parsePage(page).filter((sample) => sample.metricName === name && fits(sample)).reduce(
    (sum, { value }) => sum + value,
    0,
  );
}

/** A metric as a page, or the documentation, describes it. */
export interface MetricShape {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
}

/** The metrics of ours on a page: name, type, and labels but those that every sample has. */
export function shapesOf(page: string, common: readonly string[]): MetricShape[] {
  const samples = parsePage(page);
  const types = [...page.matchAll(/^# TYPE (waybill_\S+) (\S+)$/gm)];
  return types.map(([, name = "", type = ""]) => {
    const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    const own = samples.filter((sample) => suffixes.some((suffix) => sample.metricName === name + suffix));
    const labels = new Set(own.flatMap((sample) => Object.keys(sample.labels)));
    return { name, type, labels: [...labels].filter((label) => label !== "le" && !common.includes(label)).sort() };
  }).sort((a, b) => a.name.localeCompare(b.name));
}
