/** What has a deadline. */
export interface Expiring {
  /** On the `performance.now()` clock; `Infinity` for never. */
  readonly deadlineAt: number;
  /** Called once the deadline has passed, every time this is looked at: what has ended ignores it. */
  expire(): void;
}

/** Timers cannot run longer (2^31 - 1 ms). */
export const MAX_TIMER_MS = 0x7fffffff;

/**
 * One timer for the deadlines of all running calls. Most calls end long before theirs: a timer of each would be made and
 * dropped for nothing. When it fires, what still runs is looked at, and it waits for the earliest deadline of that.
 */
export class Deadlines {
  readonly #running: Iterable<Expiring>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;

  /** @param running what runs now; looked at each time the timer fires */
  constructor(running: Iterable<Expiring>) {
    this.#running = running;
  }

  /** Makes sure that a deadline is noticed. */
  watch(deadlineAt: number): void {
    if (deadlineAt >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = deadlineAt;
    this.#timer = setTimeout(this.#look, Math.min(MAX_TIMER_MS, Math.max(0, deadlineAt - performance.now())));
  }

  /** Drops the timer, which would keep a process alive, until there is something to watch again. */
  rest(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Infinity;
  }

  readonly #look = (): void => {
    this.#timerAt = Infinity;
    // A timer may fire a little early.
    const now = performance.now() + 1;
    let next = Infinity;
    for (const one of this.#running) {
      if (one.deadlineAt <= now) one.expire();
      else if (one.deadlineAt < next) next = one.deadlineAt;
    }
    this.watch(next);
  };
}
