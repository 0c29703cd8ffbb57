import type { Bus, BusSubscription } from "../../bus/bus.ts";
import { type Logger, silentLogger } from "../../bus/logger.ts";
import type { Subjects } from "../subjects.ts";
import { sweepCancels } from "./stored-cancels.ts";
import { removeStored } from "./stored-requests.ts";

/** The operator's own instances come first: what they deal with needs no second look. */
const LATER_MS = 500;

/** Deletes canceled requests of operators that no instance serves at the moment. One per deployment is enough. */
export class CancelJanitor {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #logger: Logger;
  readonly #subscription: BusSubscription;
  readonly #offStatus: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(bus: Bus, subjects: Subjects, logger: Logger = silentLogger) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.#logger = logger;
    this.#subscription = bus.subscribe(subjects.everyCanceled(), () => this.#soon());
    this.#offStatus = bus.onStatus(({ type }) => {
      if (type === "reconnect") this.#soon();
    });
    this.#soon();
  }

  /** Takes no more cancels, and waits for what it is at. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#offStatus();
    this.#subscription.unsubscribe();
    await this.#sweeping;
  }

  #soon(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sweeping = this.#sweeping.then(() => this.#sweep());
    }, LATER_MS);
  }

  async #sweep(): Promise<void> {
    const [bus, subjects] = [this.#bus, this.#subjects];
    try {
      await sweepCancels(bus, subjects, undefined, async ({ seq, caller, call }, operator) => {
        if (seq === 0) return false;
        await removeStored(bus, subjects, { operator, seq, caller, call });
        return true;
      });
    } catch (error) {
      this.#logger.debug("Cannot look for canceled requests", { error: String(error) });
    }
  }
}
