import { Code, type ConnectError } from "@connectrpc/connect";
import { abortError, fault } from "../rpc/error.ts";
import { BackgroundTimer } from "./background-timer.ts";

/** How to wait for space. */
export interface WaitOptions {
  /** Gives up when aborted. */
  signal?: AbortSignal;
  /** How long to wait at most. */
  waitMs: number;
}

interface Waiter {
  readonly bytes: number;
  readonly since: number;
  readonly untilMs: number;
  readonly resolve: () => void;
  readonly reject: (error: ConnectError) => void;
}

/** A byte budget with a line: who comes later waits behind who waits already, so that large ones get their turn. */
export class Space {
  /** Bytes there are. */
  readonly budgetBytes: number;
  readonly #owner: string;
  readonly #reclaim: () => void;
  readonly #timer = new BackgroundTimer(() => this.#onTimer());
  #line: Waiter[] = [];
  #used = 0;
  #closed: ConnectError | undefined;

  /**
   * @param owner whose it is, for error messages: `the store of node "a"`
   * @param reclaim called when there is not enough: gives back what nobody may use any more
   */
  constructor(budgetBytes: number, owner: string, reclaim: () => void) {
    this.budgetBytes = budgetBytes;
    this.#owner = owner;
    this.#reclaim = reclaim;
  }

  /** Bytes taken. */
  get usedBytes(): number {
    return this.#used;
  }

  /** Producers in the line. */
  get waiting(): number {
    return this.#line.length;
  }

  /**
   * Takes bytes: at once where they fit and nobody waits, which returns `undefined`, else in turn.
   *
   * @throws {ConnectError} (also by the promise) `resource_exhausted` for more than the whole budget and past `waitMs`;
   * `canceled` when the signal fires; once closed, the error that it was closed with
   */
  take(bytes: number, options: WaitOptions): Promise<void> | undefined {
    if (this.#closed !== undefined) throw this.#closed;
    if (options.signal?.aborted) throw abortError(options.signal);
    if (bytes > this.budgetBytes) throw this.#full(bytes, 0);
    if (!this.#fits(bytes)) this.#reclaim();
    if (this.#line.length === 0 && this.#fits(bytes)) {
      this.#used += bytes;
      return undefined;
    }
    if (options.waitMs <= 0) throw this.#full(bytes, 0);
    return this.#wait(bytes, options);
  }

  /** Gives bytes back. */
  give(bytes: number): void {
    this.#used -= bytes;
    this.#admit();
  }

  /** Refuses everything from now on, those who wait included. */
  close(error: ConnectError): void {
    this.#closed = error;
    this.#timer.stop();
    for (const waiter of this.#line.splice(0)) waiter.reject(error);
  }

  #wait(bytes: number, { signal, waitMs }: WaitOptions): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const since = performance.now();
    const waiter: Waiter = { bytes, since, untilMs: since + waitMs, resolve, reject };
    this.#line.push(waiter);
    this.#timer.wakeIn(waitMs);
    if (signal === undefined) return promise;
    const onAbort = () => this.#leave(waiter, abortError(signal));
    signal.addEventListener("abort", onAbort);
    return promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  #leave(waiter: Waiter, error: ConnectError): void {
    this.#line = this.#line.filter((other) => other !== waiter);
    waiter.reject(error);
    this.#admit();
  }

  #admit(): void {
    for (let next = this.#line[0]; next !== undefined && this.#fits(next.bytes); next = this.#line[0]) {
      this.#line.shift();
      this.#used += next.bytes;
      next.resolve();
    }
  }

  #onTimer(): void {
    const now = performance.now();
    for (const waiter of this.#line.filter(({ untilMs }) => untilMs <= now)) {
      this.#leave(waiter, this.#full(waiter.bytes, now - waiter.since));
    }
    const nextMs = Math.min(...this.#line.map(({ untilMs }) => untilMs));
    if (nextMs !== Infinity) this.#timer.wakeIn(nextMs - now);
  }

  #fits(bytes: number): boolean {
    return this.#used + bytes <= this.budgetBytes;
  }

  #full(bytes: number, waitedMs: number): ConnectError {
    const waited = waitedMs > 0 ? ` after ${Math.round(waitedMs)} ms` : "";
    return fault(
      `Cannot put a tensor of ${bytes} bytes: ${this.#owner} has a budget of ${this.budgetBytes} bytes, of which ` +
        `${this.#used} are taken${waited}`,
      Code.ResourceExhausted,
      { reason: "STORE_FULL" },
    );
  }
}
