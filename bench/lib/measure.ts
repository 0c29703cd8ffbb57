import { wallMs } from "./clock.ts";

/** What a program is asked to measure. */
export interface Load {
  /** What to call; each program knows its own. */
  readonly target: string;
  readonly payloadBytes: number;
  /** Calls that are open at once. */
  readonly inflight: number;
  /** How long, after a tenth of that as a warm-up. */
  readonly seconds?: number;
  /** How many calls instead, after 100 as a warm-up. */
  readonly calls?: number;
  /** Whether the client also tells when it sent what. */
  readonly journal?: boolean;
}

/** What came of it. */
export interface Measured {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** With those of the warm-up. */
  readonly requests: number;
  /** When the warm-up was over, on the clock of `wallMs`. */
  readonly startedAtMs: number;
  /** When requests were sent, where a journal was asked for. */
  readonly sentAt?: readonly number[];
}

/** Keeps `inflight` calls open until the load is done. */
export async function measure({ inflight, seconds = 2, calls }: Load, call: () => Promise<unknown>): Promise<Measured> {
  const warmUp = await drive(inflight, calls === undefined ? untilTime(seconds / 10) : untilCount(100), call);
  const startedAtMs = wallMs();
  const started = performance.now();
  const latencies = await drive(inflight, calls === undefined ? untilTime(seconds) : untilCount(calls), call);
  const elapsed = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (part: number) => 1000 * (latencies[Math.floor(part * (latencies.length - 1))] ?? NaN);
  return {
    perSecond: latencies.length / elapsed,
    p50Us: at(0.5),
    p99Us: at(0.99),
    requests: warmUp.length + latencies.length,
    startedAtMs,
  };
}

function untilTime(seconds: number): (now: number) => boolean {
  const end = performance.now() + seconds * 1000;
  return (now) => now < end;
}

function untilCount(count: number): () => boolean {
  let started = 0;
  return () => started++ < count;
}

async function drive(inflight: number, more: (now: number) => boolean, call: () => Promise<unknown>): Promise<number[]> {
  const latencies: number[] = [];
  await Promise.all(Array.from({ length: inflight }, async () => {
    for (let now = performance.now(); more(now);) {
      await call();
      const end = performance.now();
      latencies.push(end - now);
      now = end;
    }
  }));
  return latencies;
}
