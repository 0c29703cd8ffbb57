import type { Sample } from "./registry.ts";

/** Upper bounds of the buckets, in seconds. */
export const DURATION_BUCKETS: readonly number[] = [
  ...[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
];

/** How long something took, as a Prometheus histogram: observing is a few comparisons and two additions. */
export class Durations {
  readonly #counts = new Float64Array(DURATION_BUCKETS.length + 1);
  #sum = 0;

  /** Adds one. */
  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < DURATION_BUCKETS.length && seconds > DURATION_BUCKETS[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += seconds;
  }

  /** The histogram's samples. */
  *samples(name: string, labels: Readonly<Record<string, string>>): Generator<Sample> {
    let total = 0;
    for (const [bucket, bound] of [...DURATION_BUCKETS, Infinity].entries()) {
      total += this.#counts[bucket]!;
      const le = bound === Infinity ? "+Inf" : String(bound);
      yield { labels: { ...labels, le }, value: total, metricName: `${name}_bucket` };
    }
    yield { labels, value: this.#sum, metricName: `${name}_sum` };
    yield { labels, value: total, metricName: `${name}_count` };
  }
}
