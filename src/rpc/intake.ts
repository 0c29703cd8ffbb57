import { Code, type ConnectError } from "@connectrpc/connect";
import { fault } from "./error.ts";
import { type CallerFrame, encodeCredit } from "./frame.ts";
import { Inbound, type InboundOwner } from "./inbound.ts";

/** What an instance reads of a caller that streams. */
export class Intake {
  /** What has come, in order. */
  readonly messages: Inbound<{ readonly payload: Uint8Array }>;
  readonly #method: string;
  readonly #instance: string;

  /** @param first the message that came with the request; `undefined` when none did */
  constructor(owner: InboundOwner, frame: CallerFrame, first: Uint8Array | undefined, instance: string) {
    this.messages = new Inbound(owner);
    this.#method = frame.method;
    this.#instance = instance;
    if (first !== undefined) this.messages.push({ payload: first });
  }

  /** How much the caller may send, as the word of a `credit` frame. */
  get credit(): string {
    return encodeCredit(this.messages.grantedItems, this.messages.grantedBytes);
  }

  /** Takes a later frame; answers with what is wrong with it. */
  take(frame: CallerFrame, payload: Uint8Array): ConnectError | undefined {
    const { messages } = this;
    if (messages.ended) return undefined;
    const { received } = messages;
    // A credit counts what was sent before it, and would be behind that.
    if (frame.kind === "credit" ? frame.seq > received : frame.seq !== received + 1) {
      const text = `Cannot read the caller's stream of ${this.#method}: frame ${received + 1} is missing, got ${frame.seq}`;
      return fault(text, Code.DataLoss, { reason: "MESSAGE_MISSING", instance: this.#instance });
    }
    if (frame.kind === "half-close") messages.finish(undefined);
    else if (frame.kind === "item") {
      if (!messages.permits) {
        const text = `Cannot read the caller's stream of ${this.#method}: it sends more than the ${messages.grantedItems} ` +
          `messages or ${messages.grantedBytes} bytes that it was granted`;
        return fault(text, Code.ResourceExhausted, { reason: "CREDIT_EXCEEDED", instance: this.#instance });
      }
      messages.push({ payload });
    }
    return undefined;
  }
}
