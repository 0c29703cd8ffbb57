import type { Bus } from "../bus/bus.ts";
import { Absence } from "./absence.ts";
import { FRAME_HEADER } from "./frame.ts";

/** How often signs of life are sent for a running request. */
export const BEAT_INTERVAL_MS = 1_000;
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
  /** Begins; `onCallerGone` is called when nobody has listened for the answer for some seconds. Returns a handle. */
  start(beat: Beat, onCallerGone: () => void): number;
  /** No more in-progress beats: the request is acknowledged. */
  acknowledged(handle: number): void;
  /** Ends. */
  stop(handle: number): void;
  close(): Promise<void>;
}

const EMPTY = new Uint8Array(0);

interface Entry {
  readonly beat: Beat;
  readonly startedAt: number;
  readonly onCallerGone: () => void;
  stored: boolean;
  absence?: Absence;
}

/** Beats from the event loop's own timer: enough where operators never block it. */
export class LoopBeats implements Beats {
  readonly #bus: Bus;
  readonly #goneSubject: string;
  readonly #entries = new Map<number, Entry>();
  readonly #subscription: { unsubscribe(): void };
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
      if (entry !== undefined && (entry.absence ??= new Absence()).noticed()) entry.onCallerGone();
    });
  }

  start(beat: Beat, onCallerGone: () => void): number {
    const handle = this.#next++;
    this.#entries.set(handle, { beat, startedAt: performance.now(), stored: true, onCallerGone });
    this.#timer ??= setInterval(() => this.#beat(), BEAT_INTERVAL_MS);
    return handle;
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
    const due = performance.now() - BEAT_INTERVAL_MS / 2;
    for (const [handle, { beat, startedAt, stored }] of this.#entries) {
      if (startedAt > due) continue;
      if (beat.answerSubject !== undefined) {
        const reply = `${this.#goneSubject}${handle}`;
        this.#bus.publish(beat.answerSubject, EMPTY, { headers: { [FRAME_HEADER]: beat.header }, reply });
      }
      if (stored && beat.progressSubject !== undefined) this.#bus.publish(beat.progressSubject, IN_PROGRESS);
    }
  }
}
