/** What a program is asked to measure. */
export interface Load {
  /** What to call; each program knows its own. */
  readonly target: string;
  readonly payloadBytes: number;
  /** Calls that are open at once. */
  readonly inflight: number;
  readonly seconds: number;
}

/** What came of it. */
export interface Measured {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Keeps `inflight` calls open for some seconds, after a tenth of that as a warm-up. */
export async function measure(load: Load, call: () => Promise<unknown>): Promise<Measured> {
  await drive(load.inflight, load.seconds / 10, call);
  const { latencies, seconds } = await drive(load.inflight, load.seconds, call);
  latencies.sort((a, b) => a - b);
  const at = (part: number) => 1000 * (latencies[Math.floor(part * (latencies.length - 1))] ?? NaN);
  return { perSecond: latencies.length / seconds, p50Us: at(0.5), p99Us: at(0.99) };
}

async function drive(
  inflight: number,
  seconds: number,
  call: () => Promise<unknown>,
): Promise<{ latencies: number[]; seconds: number }> {
  const latencies: number[] = [];
  const started = performance.now();
  const until = started + seconds * 1000;
  await Promise.all(Array.from({ length: inflight }, async () => {
    for (let now = performance.now(); now < until;) {
      await call();
      const end = performance.now();
      latencies.push(end - now);
      now = end;
    }
  }));
  return { latencies, seconds: (performance.now() - started) / 1000 };
}
