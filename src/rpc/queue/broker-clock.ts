import type { Bus } from "../../bus/bus.ts";
import { callApi } from "./jetstream-api.ts";

const REFRESH_MS = 60_000;

/** The broker's time, measured against this process's own clock: no two machines' clocks are ever compared. */
export class BrokerClock {
  readonly #bus: Bus;
  readonly #stream: string;
  #offsetMs: number | undefined;
  #measuredAt = -Infinity;
  #measuring: Promise<void> | undefined;

  /** @param stream any stream: its information carries the broker's time */
  constructor(bus: Bus, stream: string) {
    this.#bus = bus;
    this.#stream = stream;
  }

  /** Milliseconds since the epoch at the broker, now. Before the first measurement, this machine's. */
  nowMs(): number {
    const now = performance.now();
    if (now - this.#measuredAt > REFRESH_MS) void this.measure();
    return now + (this.#offsetMs ?? performance.timeOrigin);
  }

  /** Measures once more; concurrent calls share one measurement. Never rejects. */
  measure(): Promise<void> {
    return this.#measuring ??= this.#measure().finally(() => this.#measuring = undefined);
  }

  async #measure(): Promise<void> {
    const before = performance.now();
    this.#measuredAt = before;
    try {
      const { ts } = await callApi<{ ts?: string }>(this.#bus, `STREAM.INFO.${this.#stream}`);
      const after = performance.now();
      const brokerMs = Date.parse(ts ?? "");
      // The answer was written somewhere within the round trip: its middle errs least.
      if (Number.isFinite(brokerMs)) this.#offsetMs = brokerMs - (before + after) / 2;
    } catch {
      // An old broker, or one that is away: the last offset stays good for a while.
    }
  }
}
