import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Registry } from "prom-client";
import { addMetric } from "./registry.ts";

/** How often the loop is looked at. */
const RESOLUTION_MS = 20;

/** What is known of the loop's lag. */
interface LagSource {
  /** Seconds, since the process began to watch. */
  read(stat: "mean" | "p50" | "p99" | "max"): number;
  close(): void;
}

/** Watches how much later than due the event loop turns, until `close`. */
export function watchEventLoop(registry: Registry): { close(): void } {
  // Deno 2.9 has the function and does not notice a blocked loop.
  const source = "Deno" in globalThis ? timerLag() : histogramLag();
  addMetric(registry, {
    name: "waybill_event_loop_lag_seconds",
    help: "How much later than due the event loop turned since the process began, by statistic",
    type: "gauge",
    samples: () => (["mean", "p50", "p99", "max"] as const).map((stat) => ({ labels: { stat }, value: source.read(stat) })),
  });
  return source;
}

function histogramLag(): LagSource {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  // Node counts the timer's own interval, Bun does not: the shortest says which.
  const own = () => Math.min(histogram.min, RESOLUTION_MS * 1e6);
  const nanos = (stat: "mean" | "p50" | "p99" | "max") =>
    stat === "mean" || stat === "max" ? histogram[stat] : histogram.percentile(stat === "p50" ? 50 : 99);
  return {
    read: (stat) => histogram.count === 0 ? 0 : Math.max(0, nanos(stat) - own()) / 1e9,
    close: () => void histogram.disable(),
  };
}

/** Upper bounds of what a timer tells apart, in seconds: each is a quarter more than the one before. */
const bounds = Array.from({ length: 64 }, (_, index) => 0.0001 * 1.25 ** index);

function timerLag(): LagSource {
  const counts = new Float64Array(bounds.length + 1);
  let [count, sum, max] = [0, 0, 0];
  let due = performance.now() + RESOLUTION_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    const lag = Math.max(0, now - due) / 1000;
    due = now + RESOLUTION_MS;
    const bucket = bounds.findIndex((bound) => lag <= bound);
    counts[bucket < 0 ? bounds.length : bucket]!++;
    count++;
    sum += lag;
    max = Math.max(max, lag);
  }, RESOLUTION_MS);
  timer.unref();
  const quantile = (share: number) => {
    let seen = 0;
    const bucket = counts.findIndex((inBucket) => (seen += inBucket) >= share * count);
    return Math.min(max, bounds[bucket] ?? max);
  };
  return {
    read: (stat) => {
      if (count === 0) return 0;
      if (stat === "mean") return sum / count;
      return stat === "max" ? max : quantile(stat === "p50" ? 0.5 : 0.99);
    },
    close: () => clearInterval(timer),
  };
}
