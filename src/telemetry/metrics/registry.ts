import { type Metric, Registry } from "prom-client";

/** One value of a metric. */
export interface Sample {
  /** By name; values are few, whatever users send. */
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Where it differs from the metric's own, as in a histogram. */
  readonly metricName?: string;
}

/** A metric whose values are read when they are asked for. */
export interface SampledMetric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  samples(): Iterable<Sample> | Promise<Iterable<Sample>>;
}

/**
 * Adds a metric to a registry. prom-client's own counters look labels up at every increment, which on the path of every request costs
 * more than all else that is counted; these are numbers that their owner adds to, and are read once per scrape.
 */
export function addMetric(registry: Registry, { name, help, type, samples }: SampledMetric): void {
  const metric = {
    name,
    help,
    type,
    aggregator: "sum",
    get: async () => ({ name, help, type, aggregator: "sum", values: [...await samples()] }),
  };
  registry.registerMetric(metric as unknown as Metric<string>);
}

/** A page as Prometheus reads it. */
export interface MetricsPage {
  /** The page itself. */
  readonly text: string;
  /** What it is, for the answer's header. */
  readonly contentType: string;
}

/** Makes a registry whose samples all carry some labels. */
export function newRegistry(labels: Readonly<Record<string, string>>): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ ...labels });
  return registry;
}

/** Writes a registry down. */
export async function pageOf(registry: Registry): Promise<MetricsPage> {
  return { text: await registry.metrics(), contentType: registry.contentType };
}
