/** What ends some time. Only ever later than it was when it was added. */
export interface Expiring {
  readonly expiresAtMs: number;
  /** Where it was put. For {@linkcode ExpirySlots} alone. */
  slot: number;
}

interface Slot<T> {
  readonly items: Set<T>;
  /** No later than the first end of them. */
  earliestMs: number;
}

/** The further away an end is, the more of them share a slot. */
const WIDTHS: readonly (readonly [withinMs: number, widthMs: number])[] = [
  [8_192, 64],
  [600_000, 1_024],
  [Infinity, 65_536],
];

/**
 * Finds what has ended without looking at what has not: by the time at which it may end first, in slots. Of a million that end within
 * five minutes it looks at those of one second, and at some hundred slots.
 */
export class ExpirySlots<T extends Expiring> {
  readonly #slots = new Map<number, Slot<T>>();
  // Renewals and removals leave it too early until the next time that something is taken.
  #earliestMs = Infinity;

  /** No later than the first end; `Infinity` where nothing was added. */
  get earliestMs(): number {
    return this.#earliestMs;
  }

  /** Adds one. */
  add(item: T, nowMs: number): void {
    const { expiresAtMs } = item;
    const [, widthMs] = WIDTHS.find(([withinMs]) => expiresAtMs - nowMs < withinMs)!;
    item.slot = Math.floor(expiresAtMs / widthMs) * widthMs;
    const slot = this.#slots.get(item.slot);
    if (slot === undefined) this.#slots.set(item.slot, { items: new Set([item]), earliestMs: expiresAtMs });
    else {
      slot.items.add(item);
      slot.earliestMs = Math.min(slot.earliestMs, expiresAtMs);
    }
    this.#earliestMs = Math.min(this.#earliestMs, expiresAtMs);
  }

  /** Takes one out, wherever it is. */
  remove(item: T): void {
    this.#slots.get(item.slot)?.items.delete(item);
  }

  /** Takes out all that have ended; costs nothing before {@linkcode earliestMs}. */
  takeEnded(nowMs: number): T[] {
    const ended: T[] = [];
    if (nowMs < this.#earliestMs) return ended;
    const left: T[] = [];
    for (const [start, { items, earliestMs }] of this.#slots) {
      if (items.size > 0 && nowMs < earliestMs) continue;
      this.#slots.delete(start);
      for (const item of items) (item.expiresAtMs <= nowMs ? ended : left).push(item);
    }
    for (const item of left) this.add(item, nowMs);
    this.#earliestMs = Infinity;
    for (const { earliestMs } of this.#slots.values()) this.#earliestMs = Math.min(this.#earliestMs, earliestMs);
    return ended;
  }

  /** Forgets all. */
  clear(): void {
    this.#slots.clear();
    this.#earliestMs = Infinity;
  }
}
