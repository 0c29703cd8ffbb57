/** One line of a page for Prometheus. */
export interface PageSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads a page for Prometheus. */
export function samplesOf(page: string): PageSample[] {
  return page.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text]);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

/** The sum of a metric's samples that have some labels. */
export function total(page: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const fits = (sample: PageSample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
  return samplesOf(page).filter((sample) => sample.name === name && fits(sample)).reduce((sum, { value }) => sum + value, 0);
}

/** A metric as a page, or the documentation, describes it. */
export interface MetricShape {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
}

/** The metrics of ours on a page: name, type, and labels but those that every sample has. */
export function shapesOf(page: string, common: readonly string[]): MetricShape[] {
  const samples = samplesOf(page);
  const types = [...page.matchAll(/^# TYPE (waybill_\S+) (\S+)$/gm)];
  return types.map(([, name = "", type = ""]) => {
    const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    const own = samples.filter((sample) => suffixes.some((suffix) => sample.name === name + suffix));
    const labels = new Set(own.flatMap((sample) => Object.keys(sample.labels)));
    return { name, type, labels: [...labels].filter((label) => label !== "le" && !common.includes(label)).sort() };
  }).sort((a, b) => a.name.localeCompare(b.name));
}
