/** When an execution began and when it ended, on the clock of {@linkcode wallMs}. */
export type Execution = readonly [startedAt: number, endedAt: number];

/** What a load left behind: when each request was sent, and what each worker executed when. */
export interface Journals {
  readonly sentAt: readonly number[];
  /** When the warm-up was over. */
  readonly startedAtMs: number;
  /** By worker. */
  readonly executions: readonly (readonly Execution[])[];
  /** Of each worker. */
  readonly slots: number;
}

/** How slots were used. */
export interface SlotUse {
  /** Part of the slots' time in which a slot was free although a request waited: 0 to 1. */
  readonly idlePart: number;
  /** The same time in milliseconds for each request: what handing over takes. */
  readonly idleMsPerRequest: number;
}

/**
 * Idle-slot time: the integral of `min(free slots of all workers, requests that wait)` over the time of all slots. A request waits
 * from the moment its client sends it until a worker's `execute` begins, so the way there counts as waiting; a slot is free
 * whenever no `execute` runs in it, so decoding, answering and asking for the next request count as idle. Counted from
 * when a tenth of the load is over, the warm-up before it aside, until the last request is sent.
 */
export function slotUse({ sentAt, startedAtMs, executions, slots }: Journals): SlotUse {
  type Event = readonly [at: number, waiting: number, free: number];
  const events: Event[] = [
    ...sentAt.map((at) => [at, 1, 0] as const),
    ...executions.flat().flatMap(([start, end]) => [[start, -1, -1] as const, [end, 0, 1] as const]),
  ];
  events.sort(([a], [b]) => a - b);
  const until = sentAt.at(-1) ?? startedAtMs;
  const from = startedAtMs + (until - startedAtMs) / 10;
  const all = slots * executions.length;
  let [waiting, free, last, idle] = [0, all, from, 0];
  for (const [at, moreWaiting, moreFree] of events) {
    const upTo = Math.min(at, until);
    if (upTo > last) {
      idle += Math.max(0, Math.min(free, waiting)) * (upTo - last);
      last = upTo;
    }
    waiting += moreWaiting;
    free += moreFree;
  }
  const counted = executions.flat().filter(([start]) => start >= from && start <= until).length;
  return { idlePart: idle / (all * (until - from)), idleMsPerRequest: idle / counted };
}
