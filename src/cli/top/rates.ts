import type { PageSample } from "../../telemetry/metrics/parse-page.ts";
import type { Snapshot } from "./snapshot.ts";

/** What an operator does. Rates are per second, over the time between two snapshots. */
export interface OperatorRow {
  readonly operator: string;
  /** Instances that serve; `undefined` where the supervisor does not tell. */
  readonly instances: number | undefined;
  readonly inFlight: number;
  readonly slots: number;
  /** Queued requests that no worker has; `undefined` where the supervisor does not tell. */
  readonly queued: number | undefined;
  /** How long the oldest stored request is stored. */
  readonly oldestSeconds: number | undefined;
  readonly deadLetters: number | undefined;
  readonly requestsPerSecond: number;
  readonly errorsPerSecond: number;
  /** Half of the requests took no longer; `undefined` where none ended. */
  readonly p50Seconds: number | undefined;
  /** 99 of 100 requests took no longer. */
  readonly p99Seconds: number | undefined;
  /** Since the workers began. */
  readonly redeliveries: number;
  /** Bytes of inputs and outputs by the way they went. */
  readonly bytesPerSecond: Readonly<Record<string, number>>;
}

/** What a deployment does. */
export interface DeploymentRows {
  readonly name: string;
  readonly state: string;
  readonly workers: number;
  readonly workersReady: number;
  /** `undefined` where the supervisor does not tell. */
  readonly brokerUp: boolean | undefined;
  /** Workers that tell their metrics. */
  readonly workersMeasured: number;
  /** The worst that a worker's event loop had, of its 99th percentile. */
  readonly eventLoopLagP99Seconds: number | undefined;
  readonly operators: readonly OperatorRow[];
}

/** What happened between two snapshots of a deployment. */
export function rowsBetween(before: Snapshot | undefined, after: Snapshot): DeploymentRows {
  const { deployment: { name, status }, own } = after;
  const pages = [...after.workers.values()];
  const all = pages.flat();
  const lags = all.filter(({ metricName, labels }) => metricName === "waybill_event_loop_lag_seconds" && labels.stat === "p99");
  const broker = own?.find(({ metricName }) => metricName === "waybill_broker_up");
  const grown = growth(before, after);
  const seconds = before === undefined ? 1 : Math.max(0.001, (after.atMs - before.atMs) / 1000);
  return {
    name,
    state: status?.state ?? "not answering",
    workers: status?.workers.length ?? 0,
    workersReady: status?.workers.filter(({ state }) => state === "ready").length ?? 0,
    brokerUp: broker === undefined ? undefined : broker.value === 1,
    workersMeasured: after.workers.size,
    eventLoopLagP99Seconds: lags.length === 0 ? undefined : Math.max(...lags.map(({ value }) => value)),
    operators: namesIn(all, own ?? []).map((operator) => row(operator, { all, own, grown, seconds })),
  };
}

interface Facts {
  readonly all: readonly PageSample[];
  readonly own: readonly PageSample[] | undefined;
  /** By how much each counter has grown. */
  readonly grown: readonly PageSample[];
  readonly seconds: number;
}

function row(operator: string, { all, own, grown, seconds }: Facts): OperatorRow {
  const sum = (samples: readonly PageSample[], name: string, fits = (_: PageSample) => true) =>
    samples.filter((sample) => sample.metricName === name && sample.labels.operator === operator && fits(sample))
      .reduce((total, { value }) => total + value, 0);
  const told = (name: string) => own === undefined ? undefined : sum(own, name);
  const bytes: Record<string, number> = {};
  for (const { metricName, labels, value } of grown) {
    if (metricName !== "waybill_tensor_bytes_total" || labels.operator !== operator || value === 0) continue;
    const way = labels.way ?? "";
    bytes[way] = (bytes[way] ?? 0) + value / seconds;
  }
  const buckets = new Map<number, number>();
  for (const { metricName, labels, value } of grown) {
    if (metricName !== "waybill_request_duration_seconds_bucket" || labels.operator !== operator) continue;
    const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  return {
    operator,
    instances: told("waybill_operator_instances"),
    inFlight: sum(all, "waybill_requests_in_flight"),
    slots: sum(all, "waybill_slots"),
    queued: told("waybill_queue_pending"),
    oldestSeconds: told("waybill_queue_oldest_seconds"),
    deadLetters: told("waybill_dead_letters"),
    requestsPerSecond: sum(grown, "waybill_requests_total") / seconds,
    errorsPerSecond: sum(grown, "waybill_requests_total", ({ labels }) => labels.outcome !== "ok") / seconds,
    p50Seconds: quantile(buckets, 0.5),
    p99Seconds: quantile(buckets, 0.99),
    redeliveries: sum(all, "waybill_redeliveries_total"),
    bytesPerSecond: bytes,
  };
}

function namesIn(all: readonly PageSample[], own: readonly PageSample[]): string[] {
  const served = all.filter(({ metricName }) => metricName === "waybill_slots");
  const queued = own.filter(({ metricName }) => metricName === "waybill_queue_messages");
  return [...new Set([...served, ...queued].map(({ labels }) => labels.operator ?? ""))].sort();
}

/** By how much the workers' samples have grown: those of processes that are new began at 0. */
function growth(before: Snapshot | undefined, after: Snapshot): PageSample[] {
  if (before === undefined) return [];
  return [...after.workers].flatMap(([process, samples]) => {
    const earlier = new Map(before.workers.get(process)?.map((sample) => [keyOf(sample), sample.value]));
    return samples.map((sample) => ({ ...sample, value: Math.max(0, sample.value - (earlier.get(keyOf(sample)) ?? 0)) }));
  });
}

function keyOf({ metricName, labels }: PageSample): string {
  return `${metricName} ${Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(" ")}`;
}

/** Within the bucket that has it, in proportion; as Prometheus does it. */
function quantile(buckets: ReadonlyMap<number, number>, share: number): number | undefined {
  const bounds = [...buckets.keys()].sort((a, b) => a - b);
  const total = buckets.get(Infinity) ?? 0;
  if (total === 0) return undefined;
  const wanted = share * total;
  let [low, below] = [0, 0];
  for (const bound of bounds) {
    const count = buckets.get(bound) ?? 0;
    if (count >= wanted) return bound === Infinity ? low : low + (bound - low) * (wanted - below) / Math.max(1, count - below);
    [low, below] = [bound, count];
  }
  return low;
}
