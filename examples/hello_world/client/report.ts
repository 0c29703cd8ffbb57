/** A request that was answered, or failed. */
export interface ClientProgress {
  readonly client: number;
  /** Requests that have ended. */
  readonly ended: number;
  /** The request's number within its client. */
  readonly request: number;
  /** Instance that answered; empty when none did. */
  readonly from: string;
  /** What went wrong; empty when nothing did. */
  readonly error: string;
}

/** What became of one client. */
export interface ClientReport {
  readonly client: number;
  /** Requests that it should send. */
  readonly requested: number;
  /** Requests that were answered, rightly. */
  readonly succeeded: number;
  /** Requests that failed, or were answered wrongly. */
  readonly failed: number;
  /** Milliseconds from the start of the process until the first request could be sent. */
  readonly startUpMs: number;
  /** Milliseconds from the first request to the last answer. */
  readonly elapsedMs: number;
  /** Milliseconds of each request that succeeded. */
  readonly latenciesMs: readonly number[];
  /** What made the client fail first; empty when nothing did. */
  readonly exception: string;
  /** Whether it was told to stop early. */
  readonly stopped: boolean;
}

/** Whether a client is one to count in the exit code: one request failed, or some were never sent. */
export function hasFailed({ exception, stopped, requested, succeeded }: ClientReport): boolean {
  return exception !== "" || (!stopped && succeeded < requested);
}

/** What became of all clients. */
export interface Summary {
  /** Requests per second, of those that succeeded, while they ran. */
  readonly throughput: number;
  /** Seconds from the first request to the last answer. */
  readonly totalTimeS: number;
  /** Seconds until the last client was ready. */
  readonly startUpS: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Of the requests that succeeded; 0 when none did. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** How many clients failed: the exit code. */
  readonly exitCode: number;
}

/** Adds up clients that ran at the same time. */
export function summarize(reports: readonly ClientReport[]): Summary {
  const sum = (of: (report: ClientReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const most = (of: (report: ClientReport) => number) => Math.max(0, ...reports.map(of));
  const latencies = Float64Array.from(reports.flatMap(({ latenciesMs }) => latenciesMs)).sort();
  const at = (part: number) => latencies[Math.min(latencies.length - 1, Math.floor(part * latencies.length))] ?? 0;
  const succeeded = sum((report) => report.succeeded);
  const totalTimeS = most(({ elapsedMs }) => elapsedMs) / 1000;
  return {
    throughput: totalTimeS > 0 ? succeeded / totalTimeS : 0,
    totalTimeS,
    startUpS: most(({ startUpMs }) => startUpMs) / 1000,
    succeeded,
    failed: sum((report) => report.failed),
    latencyMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
    exitCode: reports.filter(hasFailed).length,
  };
}

/** The summary in words, in the original's order. */
export function summaryLines({ throughput, totalTimeS, startUpS, succeeded, failed, latencyMs }: Summary): string[] {
  return [
    `Throughput: ${throughput.toFixed(2)} requests/s Total Time: ${totalTimeS.toFixed(3)} s`,
    `Latency: p50 ${latencyMs.p50.toFixed(2)} ms, p99 ${latencyMs.p99.toFixed(2)} ms, max ${latencyMs.max.toFixed(2)} ms`,
    `Requests: ${succeeded} succeeded, ${failed} failed; start-up ${startUpS.toFixed(2)} s, not counted`,
  ];
}
