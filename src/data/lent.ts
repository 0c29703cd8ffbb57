/** Bytes in somebody else's memory, which is kept as it is until they are given back. */
export interface LentBytes {
  /** The bytes, read-only. */
  readonly bytes: Uint8Array;
  /** Gives them back: from then on somebody else's may be in their place. Safe to call twice. */
  giveBack(): void;
}

/**
 * Bytes that are lent, each until it is given back; where that is forgotten, until nobody can look at them any more. That needs an
 * `ArrayBuffer` of its own for each, as what somebody derives from it keeps the buffer and nothing else.
 */
export class Lending {
  readonly #forgotten = new FinalizationRegistry<() => void>((giveBack) => giveBack());

  /**
   * Lends bytes.
   *
   * @param own whether their buffer shows nothing else
   * @param giveBack called once
   */
  lend(bytes: Uint8Array, own: boolean, giveBack: () => void): LentBytes {
    let given = false;
    const once = () => {
      if (given) return;
      given = true;
      this.#forgotten.unregister(once);
      giveBack();
    };
    if (own) this.#forgotten.register(bytes.buffer, once, once);
    return { bytes, giveBack: once };
  }
}
