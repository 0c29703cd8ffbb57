import type { Bus, BusMessage, BusSubscription } from "../../bus/bus.ts";
import { randomId } from "../ids.ts";
import { nanos } from "./jetstream-api.ts";
import type { Pull } from "./request-store.ts";

const EXPIRES_MS = 30_000;
const IDLE_HEARTBEAT_MS = 5_000;
/** Nothing at all for this long: the pull requests are lost, whatever the broker thinks. */
const SILENCE_MS = 2 * IDLE_HEARTBEAT_MS + 2_000;
const RETRY_MS = 250;
/** Where requests wait, open pull requests bring them within a round trip. */
const STOPPING_MS = 200;

const encoder = new TextEncoder();

/** What a puller works for. */
export interface PullerOptions {
  /** Prefix of a subject for the deliveries; a random token is added. */
  inbox: string;
  stream: string;
  consumer: string;
  /** How many requests may be delivered now. */
  free(): number;
  deliver(message: BusMessage): void;
  /** The consumer may be gone: called before pulling again. */
  repair(): Promise<void>;
  /** How long the broker keeps a pull request open. Default 30,000 ms. */
  expiresMs?: number;
}

/**
 * Own pull requests on one durable consumer. Each asks for as many messages as there are free slots beyond those asked for
 * already, once for all that complete together, so that many small completions cost one request.
 */
export class Puller implements Pull {
  readonly #bus: Bus;
  readonly #options: PullerOptions;
  readonly #subject: string;
  /** What all pull requests have in common. */
  readonly #terms: string;
  #inbox: string;
  #subscription: BusSubscription;
  #outstanding = 0;
  #scheduled = false;
  #repairing = false;
  #stopped = false;
  #onSpent: (() => void) | undefined;
  #heardAt: number;

  constructor(bus: Bus, options: PullerOptions) {
    this.#bus = bus;
    this.#options = options;
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${options.consumer}`;
    const { expiresMs = EXPIRES_MS } = options;
    // The broker takes heartbeats of at most half of that.
    const heartbeatMs = Math.min(IDLE_HEARTBEAT_MS, expiresMs / 2);
    this.#terms = `"expires":${nanos(expiresMs)},"idle_heartbeat":${nanos(heartbeatMs)}`;
    this.#heardAt = performance.now();
    [this.#inbox, this.#subscription] = this.#listen();
  }

  demand(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    // Once for all that complete in this turn, and before the connection writes what they have published.
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#pull();
    });
  }

  /**
   * Asks for no more. What the open pull requests bring for a moment longer is taken: the broker may hand out a request just
   * while it hears that nobody listens, and that one would be lost to everybody until its wait is over.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#outstanding > 0 && this.#bus.connected) await this.#spent();
    await this.#subscription.drain();
  }

  /** Waits until all pull requests are used up, for a moment at most. */
  #spent(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, STOPPING_MS);
      this.#onSpent = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** To be called now and then: notices pull requests that got lost. */
  check(): void {
    if (this.#outstanding > 0 && this.#bus.connected && performance.now() - this.#heardAt > SILENCE_MS) this.reset();
  }

  /** Forgets pull requests of before; a new inbox keeps their late deliveries from adding to the new ones. */
  reset(): void {
    if (this.#stopped) return;
    void this.#subscription.drain().catch(() => {});
    [this.#inbox, this.#subscription] = this.#listen();
    this.#outstanding = 0;
    void this.#repair();
  }

  #listen(): [string, BusSubscription] {
    const inbox = `${this.#options.inbox}${randomId()}`;
    return [inbox, this.#bus.subscribe(inbox, (message) => this.#onMessage(message, inbox))];
  }

  #pull(): void {
    if (this.#stopped || this.#repairing || !this.#bus.connected) return;
    const batch = this.#options.free() - this.#outstanding;
    if (batch <= 0) return;
    if (this.#outstanding === 0) this.#heardAt = performance.now();
    this.#outstanding += batch;
    this.#bus.publish(this.#subject, encoder.encode(`{"batch":${batch},${this.#terms}}`), { reply: this.#inbox });
  }

  #onMessage(message: BusMessage, inbox: string): void {
    this.#heardAt = performance.now();
    const current = inbox === this.#inbox;
    if (message.status === undefined) {
      if (current && this.#outstanding > 0 && --this.#outstanding === 0) this.#onSpent?.();
      this.#options.deliver(message);
    } else if (current && message.status !== 100) this.#onStatus(message);
  }

  #onStatus(message: BusMessage): void {
    const unfilled = Number(message.header("Nats-Pending-Messages"));
    this.#outstanding = Math.max(0, this.#outstanding - (unfilled > 0 ? unfilled : this.#outstanding));
    // 408 ends a pull request in good order; 503 (no such consumer), 409 (deleted, leader change, too many) do not.
    if (message.status === 408) this.demand();
    else void this.#repair();
  }

  async #repair(): Promise<void> {
    if (this.#repairing) return;
    this.#repairing = true;
    try {
      await this.#options.repair();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      this.#repairing = false;
      if (!this.#stopped) void this.#repair();
      return;
    }
    this.#repairing = false;
    this.demand();
  }
}
