import { Worker } from "node:worker_threads";
import type { Bus } from "../bus/bus.ts";
import type { Logger } from "../bus/logger.ts";
import { type BusOptions, refresh } from "../bus/options.ts";
import { type Beat, type Beats, LoopBeats } from "../rpc/beats.ts";
import type { BeatThreadData } from "./beat-thread.ts";
import { BeatTable } from "./beat-table.ts";

const TICK_MS = 500;
const START_TIMEOUT_MS = 10_000;
const MAX_ENTRIES = 1_024;

/** How to start the beating thread. */
export interface ThreadBeatsOptions {
  readonly bus: Bus;
  readonly servers: readonly string[];
  readonly connection: BusOptions;
  /** Prefix on which "no responders" to heartbeats come back. */
  readonly goneSubject: string;
  /** Silence of the loop after which the thread gives its requests up. */
  readonly stallMs: number;
  readonly logger: Logger;
}

/** Beats from a thread with a connection of its own. What does not fit its table is beaten for by the loop. */
export class ThreadBeats implements Beats {
  readonly #table: BeatTable = new BeatTable(MAX_ENTRIES);
  readonly #thread: Worker;
  readonly #loop: LoopBeats;
  readonly #unheard = new Map<number, () => void>();
  readonly #ticker: ReturnType<typeof setInterval>;

  private constructor(options: ThreadBeatsOptions) {
    const { bus, servers, connection, goneSubject, stallMs } = options;
    // Handles of the two never meet: the loop's subject has one token more.
    this.#loop = new LoopBeats(bus, `${goneSubject}loop.`);
    const workerData: BeatThreadData = {
      servers,
      options: cloneable(connection),
      buffer: this.#table.buffer,
      goneSubject,
      stallMs,
    };
    const file = import.meta.url.endsWith(".ts") ? "./beat-thread.ts" : "./beat-thread.js";
    this.#thread = new Worker(new URL(file, import.meta.url), { workerData, name: "waybill-beats" });
    this.#ticker = setInterval(() => this.#table.tick(), TICK_MS);
    this.#ticker.unref();
    this.#thread.on("message", ({ gone }: { gone?: number }) => {
      if (gone !== undefined) this.#unheard.get(gone)?.();
    });
  }

  /** Starts the thread and waits until it is connected. */
  static async start(options: ThreadBeatsOptions): Promise<ThreadBeats> {
    const beats = new ThreadBeats(options);
    const started = Promise.withResolvers<void>();
    const timer = setTimeout(() => started.reject(new Error("it did not connect in time")), START_TIMEOUT_MS);
    beats.#thread.on("message", ({ ready }: { ready?: boolean }) => ready && started.resolve());
    beats.#thread.on("error", (error) => started.reject(error));
    try {
      await started.promise;
    } catch (cause) {
      await beats.close();
      throw new Error(`Cannot start the beating thread: ${(cause as Error).message}`, { cause });
    } finally {
      clearTimeout(timer);
    }
    beats.#thread.on("error", (error) => options.logger.error("The beating thread failed", { error: String(error) }));
    beats.#thread.unref();
    return beats;
  }

  start(beat: Beat, onUnheard: () => void): number {
    const handle = this.#table.add(beat);
    // Negative handles are the loop's.
    if (handle === undefined) return -this.#loop.start(beat, onUnheard);
    this.#unheard.set(handle, onUnheard);
    return handle;
  }

  fitTo(ackWaitMs: number): void {
    this.#loop.fitTo(ackWaitMs);
    this.#thread.postMessage(ackWaitMs);
  }

  spoke(handle: number): void {
    if (handle < 0) this.#loop.spoke(-handle);
    else this.#table.spoke(handle);
  }

  acknowledged(handle: number): void {
    if (handle < 0) this.#loop.acknowledged(-handle);
    else this.#table.acknowledged(handle);
  }

  stop(handle: number): void {
    if (handle < 0) return this.#loop.stop(-handle);
    this.#unheard.delete(handle);
    this.#table.remove(handle);
  }

  async close(): Promise<void> {
    clearInterval(this.#ticker);
    await this.#loop.close();
    await this.#thread.terminate();
  }
}

/** Functions do not travel between threads: credentials are asked for once, and of the rest goes what a connection needs. */
function cloneable(connection: BusOptions): BusOptions {
  const { inboxPrefix, tls, connectTimeoutMs, pingIntervalMs, reconnectWaitMs, ignoreClusterUpdates, local } = connection;
  const { token, user, password, nkeySeed, jwt, credentials } = connection;
  const plain = { inboxPrefix, tls, connectTimeoutMs, pingIntervalMs, reconnectWaitMs, ignoreClusterUpdates, local };
  const asked = Object.entries({ token, user, password, nkeySeed, jwt, credentials })
    .flatMap(([name, value]) => value === undefined ? [] : [[name, refresh(value)] as const]);
  const given = Object.entries(plain).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), ...Object.fromEntries(asked), name: "waybill-beats" };
}
