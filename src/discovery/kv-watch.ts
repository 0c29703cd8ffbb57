import { Code } from "@connectrpc/connect";
import type { Bus } from "../bus/bus.ts";
import type { Logger } from "../bus/logger.ts";
import { ApiErrorCode, isApiError } from "../rpc/queue/jetstream-api.ts";
import type { BucketEntry, BucketListener, BucketWatch } from "./bucket.ts";
import type { DiscoveryCallOptions } from "./discovery.ts";
import { hasCode } from "./kv-errors.ts";
import { KvSession, type KvSessionOptions } from "./kv-session.ts";
import { startTimer } from "./timer.ts";

/** What a watch needs to know. */
export interface KvWatchOptions extends KvSessionOptions {
  /** How often to read everything where consumers are not permitted. */
  readonly pollMs: number;
  readonly logger: Logger;
  /** Reads everything. */
  readonly list: (options: DiscoveryCallOptions) => Promise<BucketEntry[]>;
}

/** Short: a cluster without leader answers nothing, and is asked again. */
const REQUEST_TIMEOUT_MS = 2000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 2000;

/**
 * Follows a bucket through outages, its making and its loss: one session after the other. Users that may read but not make
 * consumers get the same from repeated reads.
 */
export class KvWatch implements BucketWatch {
  readonly #bus: Bus;
  readonly #options: KvWatchOptions;
  readonly #listener: BucketListener;
  #session: KvSession | undefined;
  #stopListening: () => void = () => {};
  #stopTimer: () => void = () => {};
  #round = 0;
  #retryMs = FIRST_RETRY_MS;
  #isPolling = false;
  /** When the broker last answered without a session. */
  #answeredAt = -Infinity;

  constructor(bus: Bus, options: KvWatchOptions, listener: BucketListener) {
    this.#bus = bus;
    this.#options = options;
    this.#listener = listener;
  }

  start(): void {
    this.#stopListening = this.#bus.onStatus(({ type }) => {
      if (type === "disconnect") this.#interrupt();
      else if (type === "reconnect") this.#again(0);
    });
    void this.#open();
  }

  heardAt(): number {
    return Math.max(this.#answeredAt, this.#session?.heardAt ?? -Infinity);
  }

  stop(): void {
    this.#stopListening();
    this.#endRound();
  }

  /** What an earlier round still waits for has no effect any more. */
  #endRound(): number {
    this.#session?.stop();
    this.#session = undefined;
    this.#stopTimer();
    return ++this.#round;
  }

  #interrupt(): void {
    this.#endRound();
    this.#listener.interrupted();
  }

  #again(delayMs?: number): void {
    const waitMs = delayMs ?? this.#retryMs;
    this.#retryMs = delayMs === undefined ? Math.min(2 * this.#retryMs, LONGEST_RETRY_MS) : FIRST_RETRY_MS;
    this.#endRound();
    this.#stopTimer = startTimer(() => void this.#open(), waitMs);
  }

  async #open(): Promise<void> {
    const round = this.#endRound();
    try {
      if (this.#isPolling) await this.#poll(round);
      else await this.#consume(round);
    } catch (error) {
      if (round === this.#round) this.#onError(error);
    }
  }

  async #consume(round: number): Promise<void> {
    const session = new KvSession(this.#bus, this.#options, {
      snapshot: (entries) => {
        this.#retryMs = FIRST_RETRY_MS;
        this.#listener.snapshot(entries);
      },
      change: (entry) => this.#listener.change(entry),
      lost: (reason) => {
        if (round !== this.#round) return;
        this.#options.logger.debug("Watches the bucket anew", { bucket: this.#options.names.bucket, reason });
        this.#listener.interrupted();
        this.#again();
      },
    });
    this.#session = session;
    await session.start(REQUEST_TIMEOUT_MS);
  }

  async #poll(round: number): Promise<void> {
    const entries = await this.#options.list({ timeoutMs: REQUEST_TIMEOUT_MS });
    if (round !== this.#round) return;
    this.#answeredAt = performance.now();
    this.#listener.snapshot(entries);
    this.#again(this.#options.pollMs);
  }

  #onError(error: unknown): void {
    const { bucket } = this.#options.names;
    if (isApiError(error, ApiErrorCode.streamNotFound)) {
      // Nothing was ever written, or the broker lost it: there is nothing, until somebody makes the bucket.
      this.#answeredAt = performance.now();
      this.#listener.snapshot([]);
    } else if (hasCode(error, Code.PermissionDenied) && !this.#isPolling) {
      this.#options.logger.debug("May not make a consumer: reads the bucket again and again", { bucket });
      this.#isPolling = true;
      return this.#again(0);
    } else if (hasCode(error, Code.PermissionDenied)) {
      // Only a new connection may have other rights.
      return this.#listener.failed(error);
    } else {
      this.#options.logger.debug("Cannot watch the bucket yet", { bucket, error });
      this.#listener.interrupted();
    }
    this.#again();
  }
}
