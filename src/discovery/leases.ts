import { startTimer } from "./timer.ts";

/** Later than this, a timer shows that the process stood still, and what it missed may still be waiting to be read. */
const STANDSTILL_MS = 250;
const SHORTEST_CHECK_MS = 20;
/** How soon to look again whether the store was heard. */
const DEAF_CHECK_MS = 100;

/**
 * Deadlines by this process's own clock. None passes while paused, nor before the store was heard
 * after it, which shows that no renewal was missed; after a standstill of the process (a blocked loop, a
 * suspended machine) all are checked once more, a margin later, when the renewals that came meanwhile have been read.
 */
export class Leases {
  readonly #marginMs: number;
  readonly #heardAt: () => number;
  readonly #onExpired: (key: string) => void;
  readonly #deadlines = new Map<string, number>();
  #stopTimer: (() => void) | undefined;
  #dueAt = Infinity;
  #paused = false;

  /**
   * @param marginMs given on top of each lease
   * @param heardAt when the store was last heard
   */
  constructor(marginMs: number, heardAt: () => number, onExpired: (key: string) => void) {
    this.#marginMs = marginMs;
    this.#heardAt = heardAt;
    this.#onExpired = onExpired;
  }

  /** Whether a key has a deadline. */
  has(key: string): boolean {
    return this.#deadlines.has(key);
  }

  /** Starts a lease anew, `ageMs` of it spent already. */
  renew(key: string, leaseMs: number, ageMs = 0): void {
    const deadline = performance.now() + leaseMs + this.#marginMs - ageMs;
    this.#deadlines.set(key, deadline);
    if (deadline < this.#dueAt) this.#schedule();
  }

  /** Takes a lease's deadline away. */
  remove(key: string): void {
    this.#deadlines.delete(key);
  }

  /** Lets no deadline pass until {@linkcode resume}. */
  pause(): void {
    this.#paused = true;
    this.#cancel();
  }

  /** Lets deadlines pass again; renew what was not heard of meanwhile first. */
  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  /** Forgets all deadlines. */
  clear(): void {
    this.#deadlines.clear();
    this.#cancel();
  }

  #cancel(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#dueAt = Infinity;
  }

  #schedule(soonestMs = SHORTEST_CHECK_MS): void {
    this.#cancel();
    if (this.#paused || this.#deadlines.size === 0) return;
    const now = performance.now();
    let first = Infinity;
    for (const deadline of this.#deadlines.values()) first = Math.min(first, deadline);
    this.#dueAt = Math.max(first, now + soonestMs);
    this.#stopTimer = startTimer(() => this.#check(), this.#dueAt - now);
  }

  #check(): void {
    const now = performance.now();
    if (now - this.#dueAt > STANDSTILL_MS) return this.#schedule(this.#marginMs);
    const heardAt = Math.min(now, this.#heardAt());
    const expired = [...this.#deadlines].filter(([, deadline]) => deadline <= heardAt);
    for (const [key] of expired) {
      this.#deadlines.delete(key);
      this.#onExpired(key);
    }
    this.#schedule(heardAt < now ? DEAF_CHECK_MS : SHORTEST_CHECK_MS);
  }
}
