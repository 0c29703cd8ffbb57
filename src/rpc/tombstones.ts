const MAX_TOMBSTONES = 100_000;
const DEFAULT_LIFE_MS = 60_000;

/** Calls that were canceled before they came here: remembered until their deadline, so that they are never started. */
export class Tombstones {
  readonly #until = new Map<string, number>();

  /** @param timeoutMs what remains of the call's time; 0 when it has no deadline */
  add(key: string, timeoutMs: number): void {
    const now = performance.now();
    this.#until.set(key, now + (timeoutMs || DEFAULT_LIFE_MS));
    for (const [oldest, until] of this.#until) {
      if (this.#until.size <= MAX_TOMBSTONES && until > now) break;
      this.#until.delete(oldest);
    }
  }

  /** Whether the call was canceled; forgets it. */
  take(key: string): boolean {
    return this.#until.size > 0 && this.#until.delete(key);
  }
}
