/** Somebody else's memory, which is kept as it is until it is given back. */
export interface Loan {
  /** Whether it is still what it was when it was lent: a lender that is lost cannot promise that. */
  intact(): boolean;
  /** Gives it back: from then on other bytes may be in it. Safe to call twice. */
  giveBack(): void;
}

/** Bytes in such memory. */
export interface LentBytes extends Loan {
  /** The bytes, read-only. */
  readonly bytes: Uint8Array;
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
   * @param intact whether the lender still keeps them
   * @param giveBack called once
   */
  lend(bytes: Uint8Array, own: boolean, intact: () => boolean, giveBack: () => void): LentBytes {
    let given = false;
    const once = () => {
      if (given) return;
      given = true;
      this.#forgotten.unregister(once);
      giveBack();
    };
    if (own) this.#forgotten.register(bytes.buffer, once, once);
    return { bytes, intact, giveBack: once };
  }
}
