import { statsOfAll } from "./process-stats.ts";

/** What named groups of processes used in each second. */
export interface Watched {
  /** Resident memory in MB by second. */
  readonly memory: readonly (readonly [second: number, megabytes: number])[];
  /** Processor time of the whole while, in seconds. */
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
}

const MEGABYTE = 2 ** 20;

/** Looks at processes once a second while some work runs. */
export async function watching<T>(
  groups: Readonly<Record<string, readonly number[]>>,
  work: () => Promise<T>,
): Promise<{ result: T; watched: Record<string, Watched> }> {
  const startedAt = performance.now();
  const names = Object.keys(groups);
  const memory = new Map(names.map((name) => [name, [] as [number, number][]]));
  const before = await Promise.all(names.map((name) => statsOfAll(groups[name]!)));
  const look = async () => {
    const second = Math.round((performance.now() - startedAt) / 1000);
    for (const name of names) memory.get(name)!.push([second, (await statsOfAll(groups[name]!)).rssBytes / MEGABYTE]);
  };
  await look();
  const timer = setInterval(() => void look(), 1000);
  try {
    const result = await work();
    const after = await Promise.all(names.map((name) => statsOfAll(groups[name]!)));
    const entries = names.map((name, index) => {
      const seen = memory.get(name)!;
      const watched = {
        memory: seen,
        cpuSeconds: after[index]!.cpuSeconds - before[index]!.cpuSeconds,
        peakMegabytes: Math.max(...seen.map(([, megabytes]) => megabytes)),
      };
      return [name, watched] as const;
    });
    return { result, watched: Object.fromEntries(entries) };
  } finally {
    clearInterval(timer);
  }
}
