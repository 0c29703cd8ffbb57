/** How many requests of an operator run at once: shared by queued, direct and directed ones, and never exceeded. */
export class Slots {
  readonly max: number;
  #used = 0;
  readonly #onFree: () => void;

  /** @param onFree called whenever a slot was given back */
  constructor(max: number, onFree: () => void) {
    this.max = max;
    this.#onFree = onFree;
  }

  get used(): number {
    return this.#used;
  }
  get free(): number {
    return this.max - this.#used;
  }

  /** Takes a slot if one is free. */
  take(): boolean {
    if (this.#used >= this.max) return false;
    this.#used++;
    return true;
  }

  /** Gives a slot back. */
  release(): void {
    this.#used--;
    this.#onFree();
  }
}
