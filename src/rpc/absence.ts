import { BEAT_INTERVAL_MS } from "./beats.ts";

/** Nobody has listened to heartbeats for this long: the caller is gone, and not just connecting again. As long as it waits for us. */
const GONE_AFTER_MS = 5_000;

/** Heartbeats of one request that nobody listened to. */
export class Absence {
  #since = -Infinity;
  #latest = -Infinity;

  /** One more. Returns whether the caller counts as gone. */
  noticed(now: number = performance.now()): boolean {
    // A heartbeat in between was heard.
    if (now - this.#latest > 2.5 * BEAT_INTERVAL_MS) this.#since = now;
    this.#latest = now;
    return now - this.#since >= GONE_AFTER_MS - BEAT_INTERVAL_MS / 2;
  }
}
