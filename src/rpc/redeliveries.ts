import type { Logger } from "../bus/logger.ts";
import type { CallerFrame } from "./frame.ts";
import type { RequestStore, StoredRequest } from "./queue/request-store.ts";

/** A request on its last attempt that has lived for this long counts as harmless to those beside it. */
const APART_MS = 500;

/** What is known of a request that was delivered before. */
export interface Admission {
  /** Which execution this would be. */
  readonly attempt: number;
  /** To be called when it has ended, or is not executed after all. */
  ended(): void;
}

/**
 * Requests that were delivered before. A worker's death says that one of its requests may have killed it, and not which: those
 * delivered with it have lost a delivery too, perhaps without having begun. So executions are counted instead of deliveries, and
 * requests on their last attempt begin one after the other: one that kills takes none of the others along.
 */
export class Redeliveries {
  readonly #store: RequestStore;
  readonly #operator: string;
  readonly #logger: Logger;
  readonly #stopping: PromiseWithResolvers<void> = Promise.withResolvers();
  #stopped = false;
  #turn: Promise<void> = Promise.resolve();

  constructor(store: RequestStore, operator: string, logger: Logger) {
    this.#store = store;
    this.#operator = operator;
    this.#logger = logger;
  }

  /** Counts an execution before it begins. `undefined` once stopped: nothing was counted then. */
  async admit(frame: CallerFrame, request: StoredRequest, limit: number): Promise<Admission | undefined> {
    if (this.#stopped) return undefined;
    const attempt = await this.#next(frame, request);
    if (attempt > limit) return { attempt, ended() {} };
    const ended = attempt === limit ? await this.#wait() : () => {};
    if (!this.#stopped && await this.#count(frame, attempt)) return { attempt, ended };
    ended();
    return undefined;
  }

  /** Lets none begin any more. */
  stop(): void {
    this.#stopped = true;
    this.#stopping.resolve();
  }

  async #next(frame: CallerFrame, request: StoredRequest): Promise<number> {
    try {
      return 1 + await this.#store.attempts(this.#operator, frame);
    } catch (error) {
      const facts = { operator: this.#operator, callId: frame.call, error: String(error) };
      this.#logger.warn("Cannot look up attempts", facts);
      return request.deliveries;
    }
  }

  /** Waits until the one before has ended, or has lived for a while. */
  async #wait(): Promise<() => void> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await Promise.race([before, this.#stopping.promise]);
    const timer = setTimeout(resolve, APART_MS);
    return () => {
      clearTimeout(timer);
      resolve();
    };
  }

  async #count(frame: CallerFrame, attempt: number): Promise<boolean> {
    try {
      await this.#store.countAttempt(this.#operator, frame, attempt);
    } catch (error) {
      const facts = { operator: this.#operator, callId: frame.call, attempt, error: String(error) };
      this.#logger.warn("Cannot count an attempt", facts);
    }
    return !this.#stopped;
  }
}
