import type { Bus } from "../bus/bus.ts";

/**
 * Tells silence from not having listened: a loop that was blocked, a machine that slept and a client with a backlog have messages waiting
 * that nobody has read yet. Silence counts up to the moment of which it is known that everything sent until then has been heard:
 * the broker's answer to a ping comes after it.
 */
export class Hearing {
  readonly #bus: Bus;
  readonly #silentMs: number;
  readonly #onHeard: () => void;
  /** Counted up by each message that is heard. */
  messages = 0;
  #upTo = -Infinity;
  #asking = false;

  /**
   * @param silentMs without any message for this long, a broker that does not answer keeps nothing back
   * @param onHeard called when {@linkcode upTo} has moved on
   */
  constructor(bus: Bus, silentMs: number, onHeard: () => void) {
    this.#bus = bus;
    this.#silentMs = silentMs;
    this.#onHeard = onHeard;
  }

  /** On the `performance.now()` clock: what was sent until then has been heard. */
  get upTo(): number {
    return this.#upTo;
  }

  /** Asks the broker, unless it is being asked. */
  ask(): void {
    if (this.#asking) return;
    this.#asking = true;
    const askedAt = performance.now();
    let before = this.messages;
    const heard = (at: number) => {
      if (!this.#asking || askedAt < this.#upTo) return;
      clearInterval(timer);
      this.#asking = false;
      this.#upTo = at;
      this.#onHeard();
    };
    const timer = setInterval(() => {
      if (this.messages === before) heard(performance.now());
      before = this.messages;
    }, this.#silentMs);
    // A connection that breaks is noticed elsewhere, and what it lost is asked for.
    this.#bus.flush().catch(() => {}).then(() => heard(askedAt));
  }
}
