/**
 * Counts the views that a mapping has, so that it goes when it is closed and the last of them was collected: to take away what
 * somebody still looks at would end the process.
 */
export class Views {
  readonly #unmap: () => void;
  readonly #collected: FinalizationRegistry<undefined> = new FinalizationRegistry(() => this.#leave());
  #held = 0;
  #closed = false;

  constructor(unmap: () => void) {
    this.#unmap = unmap;
  }

  /** Counts a view until it is collected. */
  keep(buffer: ArrayBuffer): Uint8Array<ArrayBuffer> {
    this.#held++;
    this.#collected.register(buffer, undefined);
    return new Uint8Array(buffer);
  }

  /** Takes the mapping away once no view is left. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#held === 0) this.#unmap();
  }

  #leave(): void {
    if (--this.#held === 0 && this.#closed) this.#unmap();
  }
}
