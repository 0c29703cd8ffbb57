/** What one stream may still send: totals granted by its reader, against totals sent. */
export class Credit {
  #items: number;
  #bytes: number;
  #sentItems = 0;
  #sentBytes = 0;
  #wake: (() => void) | undefined;

  constructor(items: number, bytes: number) {
    this.#items = items;
    this.#bytes = bytes;
  }

  /** Takes new totals; lower ones are old news. Returns whether they say anything new. */
  grant(items: number, bytes: number): boolean {
    if (items <= this.#items && bytes <= this.#bytes) return false;
    this.#items = Math.max(this.#items, items);
    this.#bytes = Math.max(this.#bytes, bytes);
    if (this.#available) this.#wake?.();
    return true;
  }

  /** Counts what was sent. The last item may pass the byte total: a stream of large items must move too. */
  sent(bytes: number): void {
    this.#sentItems++;
    this.#sentBytes += bytes;
  }

  /** Waits for credit; `undefined` while there is some, which saves a turn of the loop per item. */
  wait(): Promise<void> | undefined {
    return this.#available ? undefined : new Promise((resolve) => this.#wake = resolve);
  }

  get #available(): boolean {
    return this.#sentItems < this.#items && this.#sentBytes < this.#bytes;
  }
}
