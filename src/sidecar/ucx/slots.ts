import type { Slot } from "./fetching.ts";

/** Fetches that the addon can have under way at once. */
const MAX_SLOTS = 1 << 20;

/** The fetches that are under way, by their token. A token is used again once nothing writes to its destination. */
export class Slots {
  readonly #slots: (Slot | undefined)[] = [];
  readonly #free: number[] = [];

  /** A token for a fetch; `undefined` when there are too many. */
  take(slot: Slot): number | undefined {
    const token = this.#free.pop() ?? this.#slots.length;
    if (token >= MAX_SLOTS) return undefined;
    this.#slots[token] = slot;
    return token;
  }

  /** The fetch of a token. */
  get(token: number): Slot | undefined {
    return this.#slots[token];
  }

  /** Gives a token back. */
  release(token: number): void {
    this.#slots[token] = undefined;
    this.#free.push(token);
  }

  /** Takes all that are left. */
  drain(): Slot[] {
    return this.#slots.splice(0).filter((slot) => slot !== undefined);
  }
}
