import { Code, ConnectError } from "@connectrpc/connect";
import { abortError, fault } from "../rpc/error.ts";
import { BackgroundTimer } from "./background-timer.ts";

/** How to wait for space. */
export interface WaitOptions {
  /** Gives up when aborted. */
  signal?: AbortSignal;
  /** How long to wait at most. */
  waitMs: number;
  /** Takes the memory itself once the budget allows it; `false` where there is none in one piece, which is waited for too. */
  reserve?: () => boolean;
}

interface Waiter {
  readonly bytes: number;
  readonly since: number;
  readonly untilMs: number;
  readonly reserve: (() => boolean) | undefined;
  readonly resolve: () => void;
  readonly reject: (error: ConnectError) => void;
}

/** A byte budget with a line: who comes later waits behind who waits already, so that large ones get their turn. */
export class Space {
  /** Bytes there are. */
  readonly budgetBytes: number;
  readonly #owner: string;
  readonly #reclaim: () => void;
  readonly #largestFree: (() => number) | undefined;
  readonly #timer = new BackgroundTimer(() => this.#onTimer());
  #line: Waiter[] = [];
  #used = 0;
  #closed: ConnectError | undefined;

  /**
   * @param owner whose it is, for error messages: `the store of node "a"`
   * @param reclaim called when there is not enough: gives back what nobody may use any more
   * @param largestFree the longest run that memory has, for error messages; `undefined` where memory is not in runs
   */
  constructor(budgetBytes: number, owner: string, reclaim: () => void, largestFree?: () => number) {
    this.budgetBytes = budgetBytes;
    this.#owner = owner;
    this.#reclaim = reclaim;
    this.#largestFree = largestFree;
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
    const { reserve } = options;
    if (this.#line.length === 0 && this.#tryTake(bytes, reserve)) return undefined;
    this.#reclaim();
    if (this.#line.length === 0 && this.#tryTake(bytes, reserve)) return undefined;
    // With all of it free there is nothing to wait for.
    if (options.waitMs <= 0 || this.#used === 0) throw this.#full(bytes, 0);
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

  #wait(bytes: number, { signal, waitMs, reserve }: WaitOptions): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const since = performance.now();
    const waiter: Waiter = { bytes, since, untilMs: since + waitMs, reserve, resolve, reject };
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
    for (let next = this.#line[0]; next !== undefined; next = this.#line[0]) {
      try {
        if (!this.#tryTake(next.bytes, next.reserve)) {
          if (this.#used > 0) return;
          // There is nothing to wait for.
          throw this.#full(next.bytes, performance.now() - next.since);
        }
        next.resolve();
      } catch (error) {
        next.reject(ConnectError.from(error));
      }
      this.#line.shift();
    }
  }

  #tryTake(bytes: number, reserve: (() => boolean) | undefined): boolean {
    if (this.#used + bytes > this.budgetBytes || reserve?.() === false) return false;
    this.#used += bytes;
    return true;
  }

  #onTimer(): void {
    const now = performance.now();
    for (const waiter of this.#line.filter(({ untilMs }) => untilMs <= now)) {
      this.#leave(waiter, this.#full(waiter.bytes, now - waiter.since));
    }
    const nextMs = Math.min(...this.#line.map(({ untilMs }) => untilMs));
    if (nextMs !== Infinity) this.#timer.wakeIn(nextMs - now);
  }

  #full(bytes: number, waitedMs: number): ConnectError {
    const largest = this.#largestFree?.();
    const run = largest === undefined ? "" : `, with ${largest} bytes in the longest free run`;
    const waited = waitedMs > 0 ? ` after ${Math.round(waitedMs)} ms` : "";
    return fault(
      `Cannot put a tensor of ${bytes} bytes: ${this.#owner} has a budget of ${this.budgetBytes} bytes, of which ` +
        `${this.#used} are taken${run}${waited}`,
      Code.ResourceExhausted,
      { reason: "STORE_FULL" },
    );
  }
}
