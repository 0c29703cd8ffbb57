import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus, BusMessage, BusRequestOptions, BusSubscription } from "./bus.ts";
import { closedError } from "./errors.ts";
import { newInbox } from "./subjects.ts";

/** One operation that the broker refused. */
export interface Refusal {
  /** What was not allowed. */
  operation: "publish" | "subscription";
  /** Where it was not allowed. */
  subject: string;
}

interface Pending {
  readonly subject: string;
  readonly resolve: (message: BusMessage) => void;
  readonly reject: (error: unknown) => void;
}

const noResponders = 503;

/**
 * Requests of one connection, all answered into one wildcard inbox. The clients' own `request()` is not used: its options
 * and errors differ between three generations, and it costs more than twice as much (see floors: 35k against 100k a second).
 */
export class Requests {
  readonly #bus: Pick<Bus, "publish" | "subscribe">;
  readonly #inboxPrefix: string;
  readonly #pending = new Map<string, Pending>();
  #inbox = "";
  #subscription: BusSubscription | undefined;
  #count = 0;

  constructor(bus: Pick<Bus, "publish" | "subscribe">, inboxPrefix: string) {
    this.#bus = bus;
    this.#inboxPrefix = inboxPrefix;
  }

  /** Sends a request and waits for the first message that comes back. */
  async request(subject: string, payload: Uint8Array, options: BusRequestOptions = {}): Promise<BusMessage> {
    const { signal, timeoutMs = 5000, headers } = options;
    signal?.throwIfAborted();
    if (this.#subscription === undefined) this.#open();
    const token = (this.#count++).toString(36);
    const { promise, resolve, reject } = Promise.withResolvers<BusMessage>();
    const timer = setTimeout(
      () => reject(new ConnectError(`Cannot request "${subject}": no answer within ${timeoutMs} ms`, Code.DeadlineExceeded)),
      timeoutMs,
    );
    const onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#pending.set(token, { subject, resolve, reject });
    try {
      this.#bus.publish(subject, payload, { headers, reply: `${this.#inbox}.${token}` });
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      this.#pending.delete(token);
    }
  }

  /** Fails the requests that the refused operation leaves without an answer. */
  refuse(refusal: Refusal, error: ConnectError): void {
    if (refusal.operation === "publish") {
      // The broker names the subject only: of several requests to it, all were refused.
      for (const pending of this.#pending.values()) if (pending.subject === refusal.subject) pending.reject(error);
    } else if (this.#subscription !== undefined && refusal.subject === `${this.#inbox}.*`) {
      // The clients drop a subscription that was refused: the next request tries anew.
      this.#subscription = undefined;
      for (const pending of this.#pending.values()) pending.reject(error);
    }
  }

  /** Fails whatever still waits: no answer can come any more. */
  close(cause?: unknown): void {
    for (const pending of this.#pending.values()) pending.reject(closedError(`request "${pending.subject}"`, cause));
  }

  #open(): void {
    this.#inbox = newInbox(this.#inboxPrefix);
    const offset = this.#inbox.length + 1;
    this.#subscription = this.#bus.subscribe(`${this.#inbox}.*`, (message) => {
      const pending = this.#pending.get(message.subject.slice(offset));
      if (pending === undefined) return;
      if (message.status === noResponders) {
        pending.reject(new ConnectError(`Cannot request "${pending.subject}": nobody listens there`, Code.Unavailable));
      } else {
        pending.resolve(message);
      }
    });
  }
}
