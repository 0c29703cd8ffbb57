/** What waits for its share of a window. */
export interface Entrant {
  /** Bytes that it takes. */
  readonly windowBytes: number;
  /** Called once they are there. */
  start(): void;
}

/**
 * Bounds the bytes that calls of one connection have on their way, both ways together: past some 64 MB waiting for a
 * client, nats-server drops it as a slow consumer, with everything that was meant for it.
 */
export class ByteWindow {
  readonly #capacity: number;
  readonly #waiting: Entrant[] = [];
  #used = 0;

  constructor(capacityBytes: number) {
    this.#capacity = capacityBytes;
  }

  /** Bytes in use. */
  get usedBytes(): number {
    return this.#used;
  }

  /** Starts it now if its bytes fit, else in turn once they do. One that is larger than the window goes alone. */
  enter(entrant: Entrant): void {
    if (this.#waiting.length === 0 && this.#fits(entrant.windowBytes)) {
      this.#used += entrant.windowBytes;
      entrant.start();
    } else this.#waiting.push(entrant);
  }

  /** Gives the bytes of one that has started back. */
  leave(entrant: Entrant): void {
    this.#used -= entrant.windowBytes;
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.windowBytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += next.windowBytes;
      next.start();
    }
  }

  /** Takes one out of the line that has not started. */
  withdraw(entrant: Entrant): void {
    const index = this.#waiting.indexOf(entrant);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#capacity;
  }
}
