import type { RunningDeployment } from "../../deployment/mod.ts";
import { type PageSample, parsePage } from "../../telemetry/metrics/parse-page.ts";

/** How long a process may take to tell its metrics. */
const TIMEOUT_MS = 2_000;

/** What one deployment's processes told at one moment. */
export interface Snapshot {
  readonly deployment: RunningDeployment;
  /** On the `performance.now()` clock. */
  readonly atMs: number;
  /** The supervisor's page; `undefined` where it has none, or does not answer. */
  readonly own: readonly PageSample[] | undefined;
  /** The workers' pages by process, of those that answer. A restarted worker is another one: its counters begin anew. */
  readonly workers: ReadonlyMap<string, readonly PageSample[]>;
}

/** Asks all processes of a deployment for their metrics. */
export async function takeSnapshot(deployment: RunningDeployment): Promise<Snapshot> {
  const { metricsUrl, workers = [] } = deployment.status ?? {};
  const [own, ...pages] = await Promise.all([
    page(metricsUrl),
    ...workers.map(async ({ name, pid, metricsUrl }) => [`${name} ${pid}`, await page(metricsUrl)] as const),
  ]);
  const answered = pages.flatMap(([process, samples]) => samples === undefined ? [] : [[process, samples] as const]);
  return { deployment, atMs: performance.now(), own, workers: new Map(answered) };
}

async function page(url: string | undefined): Promise<PageSample[] | undefined> {
  if (url === undefined) return undefined;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return response.ok ? parsePage(await response.text()) : undefined;
  } catch {
    // It is starting, or has just ended: the next time tells.
    return undefined;
  }
}
