import type { Bus } from "../bus/bus.ts";
import { FRAME_HEADER } from "./frame.ts";

/** How often signs of life are sent for a running request. */
export const BEAT_INTERVAL_MS = 1_000;
/** Without a sign of life for this long, a stored request goes to another worker. */
export const DEFAULT_ACK_WAIT_MS = 5_000;
/** Less would count a busy machine's workers as dead. */
export const MIN_ACK_WAIT_MS = 500;
/** A day. */
export const MAX_ACK_WAIT_MS = 86_400_000;
/** What tells the broker that a stored request is still being worked on. */
export const IN_PROGRESS: Uint8Array<ArrayBuffer> = new TextEncoder().encode("+WPI");

/** A running request that wants beats. */
export interface Beat {
  /** Where its heartbeats go; `undefined` when nobody waits for an answer. */
  readonly answerSubject: string | undefined;
  /** The `wb` header of its heartbeat. */
  readonly header: string;
  /** Where its in-progress beats go; `undefined` when nothing is stored. */
  readonly progressSubject: string | undefined;
}

/**
 * Sends signs of life for running requests: heartbeats to callers, in-progress beats to the broker. Requests that end within
 * the first interval cost nothing but their entry.
 */
export interface Beats {
  /** Begins; `onUnheard` is called for each heartbeat that nobody listened to. Returns a handle. */
  start(beat: Beat, onUnheard: () => void): number;
  /** Makes in-progress beats come often enough for a broker that waits this long for them. They never get rarer again. */
  fitTo(ackWaitMs: number): void;
  /** Something has just gone to the caller: a sign of life in itself, in whose place no heartbeat need be sent. */
  spoke(handle: number): void;
  /** No more in-progress beats: the request is acknowledged. */
  acknowledged(handle: number): void;
  /** Ends. */
  stop(handle: number): void;
  close(): Promise<void>;
}

/** In-progress beats as often as the broker needs them, heartbeats each second: which of them a tick of the timer sends. */
export class BeatPace {
  /** Between two ticks. */
  intervalMs: number = BEAT_INTERVAL_MS;
  #heartbeatsAt = -Infinity;

  /** As {@linkcode Beats.fitTo}; returns whether the interval has changed. */
  fitTo(ackWaitMs: number): boolean {
    const before = this.intervalMs;
    // Four, so that a late beat or two do not cost the request.
    this.intervalMs = Math.min(before, Math.floor(ackWaitMs / 4));
    return this.intervalMs !== before;
  }

  /** Whether the tick that happens now is one for heartbeats. */
  isForHeartbeats(now: number): boolean {
    if (now - this.#heartbeatsAt < BEAT_INTERVAL_MS - this.intervalMs / 2) return false;
    this.#heartbeatsAt = now;
    return true;
  }
}

/**
 * Most heartbeats in a row that frames of an answer stand in for: a caller who is gone is noticed by heartbeats alone, and must
 * not be streamed to for long.
 */
export const MAX_SPARED_BEATS = 3;

const EMPTY = new Uint8Array(0);

interface Entry {
  readonly beat: Beat;
  readonly startedAt: number;
  readonly onUnheard: () => void;
  stored: boolean;
  spoke: boolean;
  spared: number;
  unheard: boolean;
}

/** Beats from the event loop's own timer: enough where operators never block it. */
export class LoopBeats implements Beats {
  readonly #bus: Bus;
  readonly #goneSubject: string;
  readonly #entries = new Map<number, Entry>();
  readonly #subscription: { unsubscribe(): void };
  readonly #pace = new BeatPace();
  #next = 1;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param goneSubject prefix on which "no responders" to heartbeats come back */
  constructor(bus: Bus, goneSubject: string) {
    this.#bus = bus;
    this.#goneSubject = goneSubject;
    this.#subscription = bus.subscribe(`${goneSubject}*`, (message) => {
      if (message.status !== 503) return;
      const handle = Number(message.subject.slice(goneSubject.length));
      const entry = this.#entries.get(handle);
      if (entry === undefined) return;
      entry.unheard = true;
      entry.onUnheard();
    });
  }

  start(beat: Beat, onUnheard: () => void): number {
    const handle = this.#next++;
    const startedAt = performance.now();
    this.#entries.set(handle, { beat, startedAt, stored: true, spoke: false, spared: 0, unheard: false, onUnheard });
    this.#timer ??= setInterval(() => this.#beat(), this.#pace.intervalMs);
    return handle;
  }

  fitTo(ackWaitMs: number): void {
    if (!this.#pace.fitTo(ackWaitMs) || this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#beat(), this.#pace.intervalMs);
  }

  spoke(handle: number): void {
    const entry = this.#entries.get(handle);
    if (entry !== undefined) entry.spoke = true;
  }

  acknowledged(handle: number): void {
    const entry = this.#entries.get(handle);
    if (entry !== undefined) entry.stored = false;
  }

  stop(handle: number): void {
    this.#entries.delete(handle);
  }

  close(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#subscription.unsubscribe();
    this.#entries.clear();
    return Promise.resolve();
  }

  #beat(): void {
    if (this.#entries.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    if (!this.#bus.connected) return;
    const now = performance.now();
    const heartbeats = this.#pace.isForHeartbeats(now);
    for (const [handle, entry] of this.#entries) {
      const { beat, startedAt, stored } = entry;
      const ageMs = now - startedAt;
      if (heartbeats && ageMs >= BEAT_INTERVAL_MS / 2 && beat.answerSubject !== undefined && !spare(entry)) {
        const reply = `${this.#goneSubject}${handle}`;
        this.#bus.publish(beat.answerSubject, EMPTY, { headers: { [FRAME_HEADER]: beat.header }, reply });
      }
      if (stored && ageMs >= this.#pace.intervalMs / 2 && beat.progressSubject !== undefined) {
        this.#bus.publish(beat.progressSubject, IN_PROGRESS);
      }
    }
  }
}

function spare(entry: Entry): boolean {
  const spared = entry.spoke && !entry.unheard && entry.spared < MAX_SPARED_BEATS;
  entry.spoke = false;
  entry.spared = spared ? entry.spared + 1 : 0;
  return spared;
}
