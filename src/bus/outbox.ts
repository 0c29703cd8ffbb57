import { Code, ConnectError } from "@connectrpc/connect";
import type { BusHeaders } from "./bus.ts";

/** A message that waits for the connection. */
export interface HeldMessage {
  /** Where it goes. */
  readonly subject: string;
  /** The publisher's own bytes. */
  readonly payload: Uint8Array;
  /** Its headers and reply subject. */
  readonly options: { headers?: BusHeaders; reply?: string } | undefined;
}

/**
 * What is published while a connection is down. The clients keep such messages only until their next dial, which empties
 * their buffer (`nats` 2.29, `nats.ws` 1.30, @nats-io 3.4): of an outage with several dials, all but the last would be lost.
 */
export class Outbox {
  readonly #maxBytes: number;
  #messages: HeldMessage[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Keeps a message.
   *
   * @throws {ConnectError} `unavailable` when too much waits already
   */
  hold(message: HeldMessage): void {
    const bytes = this.#bytes + message.payload.length;
    if (bytes > this.#maxBytes) {
      throw new ConnectError(
        `Cannot publish to "${message.subject}": the connection is down, and of what waits for it at most ${this.#maxBytes} bytes are kept, got ${bytes}`,
        Code.Unavailable,
      );
    }
    this.#bytes = bytes;
    this.#messages.push(message);
  }

  /** Takes all that waits, in order. */
  take(): HeldMessage[] {
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    return messages;
  }
}
