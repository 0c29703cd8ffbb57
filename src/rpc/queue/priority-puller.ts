import type { Bus, BusMessage, BusSubscription } from "../../bus/bus.ts";
import { randomId } from "../ids.ts";
import type { Pull } from "./request-store.ts";

/** The broker answers a pull that does not wait at once; longer means that it was lost. */
const SWEEP_TIMEOUT_MS = 2_000;
const POLL_MS = 5_000;

const encoder = new TextEncoder();

/** What a priority puller works for. */
export interface PriorityPullerOptions {
  /** Prefix of a subject for the deliveries; a random token is added. */
  inbox: string;
  /** Wakes this puller: the broker republishes what it stores there, without payloads. */
  wake: string;
  stream: string;
  /** Durable consumers, the highest priority first. */
  consumers: string[];
  free(): number;
  deliver(message: BusMessage): void;
  repair(): Promise<void>;
}

/**
 * Pulls from several queues, the highest priority first: a sweep asks each in turn for what is there, without waiting, until
 * the slots are full. A request that is stored while slots are free wakes it.
 */
export class PriorityPuller implements Pull {
  readonly #bus: Bus;
  readonly #options: PriorityPullerOptions;
  readonly #subscriptions: BusSubscription[];
  readonly #inboxes: string[];
  readonly #poll: ReturnType<typeof setInterval>;
  #sweeping: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #received = 0;
  #finished: ((lost: boolean) => void) | undefined;

  constructor(bus: Bus, options: PriorityPullerOptions) {
    this.#bus = bus;
    this.#options = options;
    this.#inboxes = options.consumers.map(() => `${options.inbox}${randomId()}`);
    this.#subscriptions = [
      ...this.#inboxes.map((inbox) => bus.subscribe(inbox, (message) => this.#onMessage(message))),
      bus.subscribe(options.wake, () => this.demand()),
    ];
    this.#poll = setInterval(() => this.demand(), POLL_MS);
  }

  demand(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#sweeping ??= this.#sweep();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#poll);
    await this.#sweeping;
    await Promise.all(this.#subscriptions.map((subscription) => subscription.drain()));
  }

  async #sweep(): Promise<void> {
    // `demand` notes this promise first; only then may the sweep end and clear it.
    await undefined;
    while (this.#again && !this.#stopped) {
      this.#again = false;
      for (let i = 0; i < this.#inboxes.length && this.#options.free() > 0 && this.#bus.connected; i++) {
        const lost = await this.#ask(this.#options.consumers[i] as string, this.#inboxes[i] as string, this.#options.free());
        if (lost) await this.#options.repair().catch(() => {});
      }
    }
    // In the same turn as the last look at `again`: a demand in between would find a sweep that no longer looks.
    this.#sweeping = undefined;
  }

  /** Asks one consumer for up to `batch` requests; resolves once it has no more, with whether the request was lost. */
  #ask(consumer: string, inbox: string, batch: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(true), SWEEP_TIMEOUT_MS);
      this.#received = batch;
      this.#finished = (lost) => {
        clearTimeout(timer);
        this.#finished = undefined;
        resolve(lost);
      };
      const request = encoder.encode(`{"batch":${batch},"no_wait":true}`);
      this.#bus.publish(`$JS.API.CONSUMER.MSG.NEXT.${this.#options.stream}.${consumer}`, request, { reply: inbox });
    });
  }

  #onMessage(message: BusMessage): void {
    if (message.status === undefined) {
      this.#options.deliver(message);
      if (--this.#received === 0) this.#finished?.(false);
    } else this.#finished?.(message.status === 503 || message.status === 409);
  }
}
