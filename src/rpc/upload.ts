import { ConnectError } from "@connectrpc/connect";
import { Credit } from "./credit.ts";

/** Where the messages of a caller that streams go. */
export interface UploadWire {
  /** Sends a message; they count from 1. */
  item(seq: number, payload: Uint8Array): void;
  /** Says that none follows: `seq` is the number after the last one. */
  halfClose(seq: number): void;
  /** The source of the messages failed, or one of them cannot be sent. */
  broken(error: ConnectError): void;
}

/**
 * The sending half of a call whose caller streams. It asks its source for a message only when the one before is sent, so that a
 * slow instance holds the source up and nothing piles up here.
 */
export class Upload {
  readonly #source: AsyncIterator<unknown>;
  readonly #encode: (message: unknown) => Uint8Array;
  readonly #credit: Credit = new Credit(0, 0);
  readonly #bound: PromiseWithResolvers<void> = Promise.withResolvers();
  #next: Promise<IteratorResult<unknown>> | undefined;
  #isBound = false;
  #sent = 0;
  #halfClosed = false;
  #stopped = false;

  /** What `messages` and `encode` throw ends the call. */
  constructor(messages: AsyncIterable<unknown>, encode: (message: unknown) => Uint8Array) {
    this.#source = messages[Symbol.asyncIterator]();
    this.#encode = encode;
  }

  /** Messages sent so far. */
  get sent(): number {
    return this.#sent;
  }
  /** Whether the instance was told that none follows. */
  get halfClosed(): boolean {
    return this.#halfClosed;
  }
  /** Whether an instance has begun to take messages. */
  get bound(): boolean {
    return this.#isBound;
  }

  /**
   * The first message if it is there at once, to travel with the request: it saves a round trip, and a queued request holds
   * it. `undefined` when the source takes its time, as one that wants to hear an answer first may.
   */
  async first(): Promise<Uint8Array | undefined> {
    this.#next = this.#source.next();
    const turn = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => turn.resolve(undefined), 0);
    const result = await Promise.race([this.#next, turn.promise]).finally(() => clearTimeout(timer));
    // A source that fails later is heard of when its message is awaited.
    this.#next.catch(() => {});
    if (result === undefined || result.done) return undefined;
    this.#next = undefined;
    const payload = this.#encode(result.value);
    this.#sent = 1;
    this.#credit.sent(payload.length);
    return payload;
  }

  /** Takes new totals of what the instance will take; lower ones are old news. */
  granted(items: number, bytes: number): void {
    this.#credit.grant(items, bytes);
    this.#isBound = true;
    this.#bound.resolve();
  }

  /** Sends what the source gives until it ends or {@linkcode stop} is called. Never rejects. */
  async run(wire: UploadWire): Promise<void> {
    try {
      for (;;) {
        const result = await (this.#next ?? this.#source.next());
        this.#next = undefined;
        if (this.#stopped) return;
        if (result.done) break;
        const payload = this.#encode(result.value);
        await this.#bound.promise;
        const credit = this.#credit.wait();
        if (credit !== undefined) await credit;
        if (this.#stopped) return;
        wire.item(++this.#sent, payload);
        this.#credit.sent(payload.length);
      }
      await this.#bound.promise;
      if (this.#stopped) return;
      this.#halfClosed = true;
      wire.halfClose(this.#sent + 1);
    } catch (error) {
      if (!this.#stopped) wire.broken(ConnectError.from(error));
    }
  }

  /** The call has ended: nothing more is sent, and the source is let go. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    // A source in the middle of something hears of it when that is done.
    void Promise.resolve(this.#source.return?.()).catch(() => {});
  }
}
