import { MAX_TIMER_MS } from "../rpc/deadlines.ts";

/** One timer for things that must happen some time. It does not keep the process alive. */
export class BackgroundTimer {
  readonly #run: () => void;
  #handle: ReturnType<typeof setTimeout> | undefined;
  #at = Infinity;

  constructor(run: () => void) {
    this.#run = run;
  }

  /** Makes sure that it runs within `delayMs`; an earlier appointment stays. */
  wakeIn(delayMs: number): void {
    const at = performance.now() + delayMs;
    if (at >= this.#at) return;
    clearTimeout(this.#handle);
    this.#at = at;
    this.#handle = setTimeout(() => {
      this.#at = Infinity;
      this.#run();
    }, Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(delayMs))));
    // A number in browsers and workerd, which have no process to keep alive.
    const handle: unknown = this.#handle;
    if (typeof handle === "object" && handle !== null && "unref" in handle && typeof handle.unref === "function") {
      handle.unref();
    }
  }

  /** Cancels the appointment. */
  stop(): void {
    clearTimeout(this.#handle);
    this.#at = Infinity;
  }
}
