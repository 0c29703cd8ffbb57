/**
 * Bounds the bytes that calls of one connection have on their way, both ways together: past some 64 MB waiting for a
 * client, nats-server drops it as a slow consumer, with everything that was meant for it.
 */
export class ByteWindow {
  readonly #capacity: number;
  readonly #waiting: { bytes: number; start: () => void }[] = [];
  #used = 0;

  constructor(capacityBytes: number) {
    this.#capacity = capacityBytes;
  }

  /** Bytes in use. */
  get usedBytes(): number {
    return this.#used;
  }

  /** Runs `start` now if the bytes fit, else in turn once they do. One request larger than the window goes alone. */
  enter(bytes: number, start: () => void): void {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#used += bytes;
      start();
    } else this.#waiting.push({ bytes, start });
  }

  /** Gives bytes back. */
  leave(bytes: number): void {
    this.#used -= bytes;
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += next.bytes;
      next.start();
    }
  }

  /** Takes a waiting entry out of the line; `false` when it has started already. */
  withdraw(start: () => void): boolean {
    const index = this.#waiting.findIndex((entry) => entry.start === start);
    if (index < 0) return false;
    this.#waiting.splice(index, 1);
    return true;
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#capacity;
  }
}
