import { Code, ConnectError } from "@connectrpc/connect";
import type { Logger } from "../bus/logger.ts";
import { type CallOptions, unlessAborted, withDeadline } from "../rpc/deadline.ts";
import { fault } from "../rpc/error.ts";
import type { WaybillEvent } from "./event.ts";
import type { Holding } from "./options.ts";

/**
 * Events as they come: iterate over it, or take them one by one with {@linkcode next}, unless `onEvent` gets them. It holds a
 * bounded number of them for a slow reader.
 */
export class EventSubscription implements AsyncIterable<WaybillEvent>, AsyncDisposable {
  /** Settles when it has ended: with the error that ended it, or nothing after {@linkcode close}. */
  readonly ended: Promise<ConnectError | undefined>;
  readonly #holding: Holding;
  readonly #logger: Logger;
  readonly #onEnd: () => void;
  readonly #settle: PromiseWithResolvers<ConnectError | undefined> = Promise.withResolvers();
  readonly #running = new Set<Promise<void>>();
  readonly #waiting: PromiseWithResolvers<IteratorResult<WaybillEvent, undefined>>[] = [];
  #buffer: WaybillEvent[] = [];
  #bufferedBytes = 0;
  #end: { readonly error: ConnectError | undefined } | undefined;
  #dropped = 0;
  #failed = 0;

  /** @internal */
  constructor(holding: Holding, logger: Logger, onEnd: () => void) {
    this.#holding = holding;
    this.#logger = logger;
    this.#onEnd = onEnd;
    this.ended = this.#settle.promise;
  }

  /** Events that were dropped since the reader was too slow. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Events that `onEvent` failed for. */
  get failed(): number {
    return this.#failed;
  }

  /** Events that wait for the reader. */
  get buffered(): number {
    return this.#buffer.length;
  }

  /**
   * Waits for one event.
   *
   * @throws {ConnectError} `deadline_exceeded`, `canceled`, what ended the subscription, `unavailable` once it is closed
   */
  async next(options: CallOptions = {}): Promise<WaybillEvent> {
    const { value } = await withDeadline("Cannot wait for an event", options, (signal) => this.#take(signal));
    if (value !== undefined) return value;
    throw fault("Cannot wait for an event: the subscription was closed", Code.Unavailable);
  }

  /** Yields events until the subscription ends, and throws what ended it. Leaving the loop unsubscribes. */
  async *[Symbol.asyncIterator](): AsyncGenerator<WaybillEvent, void, undefined> {
    try {
      for (;;) {
        const { value } = await this.#take(undefined);
        if (value === undefined) return;
        yield value;
      }
    } finally {
      await this.close();
    }
  }

  /** Unsubscribes, drops what waits, and waits for the calls of `onEvent` that run. Not to be awaited within one of them. */
  async close(): Promise<void> {
    this.stop();
    await Promise.all(this.#running);
  }

  /** The same as {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Hands over an event that came.
   *
   * @internal
   */
  offer(event: WaybillEvent): void {
    if (this.#end !== undefined) return;
    const reader = this.#waiting.shift();
    if (reader !== undefined) return reader.resolve({ done: false, value: event });
    const { maxBuffered, maxBufferedBytes, overflow, onEvent } = this.#holding;
    this.#buffer.push(event);
    this.#bufferedBytes += event.bytes.length;
    if (onEvent !== undefined) this.#pump(onEvent);
    while (
      this.#buffer.length > maxBuffered || (this.#bufferedBytes > maxBufferedBytes && this.#buffer.length > 1)
    ) {
      if (overflow === "error") {
        this.#buffer.pop();
        const wanted = `${maxBuffered} events and ${maxBufferedBytes} bytes`;
        const text = `Cannot hold more events: at most ${wanted} may wait for a reader, and another one came`;
        return this.stop(fault(text, Code.ResourceExhausted));
      }
      this.#shift();
      this.#dropped++;
    }
  }

  /**
   * Ends it: what waits is still read where an error ends it, and dropped otherwise.
   *
   * @internal
   */
  stop(error?: ConnectError): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    if (error === undefined) this.#buffer = [];
    this.#onEnd();
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (error === undefined) resolve({ done: true, value: undefined });
      else reject(error);
    }
    this.#settle.resolve(error);
  }

  async #take(signal: AbortSignal | undefined): Promise<IteratorResult<WaybillEvent, undefined>> {
    if (this.#holding.onEvent !== undefined) {
      throw new ConnectError("Cannot read events one by one: this subscription has onEvent", Code.FailedPrecondition);
    }
    const value = this.#shift();
    if (value !== undefined) return { done: false, value };
    if (this.#end?.error !== undefined) throw this.#end.error;
    if (this.#end !== undefined) return { done: true, value: undefined };
    const reader = Promise.withResolvers<IteratorResult<WaybillEvent, undefined>>();
    this.#waiting.push(reader);
    try {
      return await unlessAborted(reader.promise, signal);
    } finally {
      const at = this.#waiting.indexOf(reader);
      if (at >= 0) this.#waiting.splice(at, 1);
    }
  }

  #shift(): WaybillEvent | undefined {
    const event = this.#buffer.shift();
    if (event !== undefined) this.#bufferedBytes -= event.bytes.length;
    return event;
  }

  #pump(onEvent: (event: WaybillEvent) => unknown): void {
    while (this.#running.size < this.#holding.concurrency) {
      const event = this.#shift();
      if (event === undefined) return;
      const call: Promise<void> = this.#call(onEvent, event).finally(() => {
        this.#running.delete(call);
        this.#pump(onEvent);
      });
      this.#running.add(call);
    }
  }

  async #call(onEvent: (event: WaybillEvent) => unknown, event: WaybillEvent): Promise<void> {
    try {
      await onEvent(event);
    } catch (error) {
      this.#failed++;
      this.#logger.warn("onEvent failed", { event: event.id, topic: event.topic, error: String(error) });
    }
  }
}
