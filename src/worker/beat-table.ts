import type { Beat } from "../rpc/beats.ts";

/** One entry's bytes: subjects and a header, each with a length before it. */
const ENTRY_BYTES = 1024;
const CONTROL_WORDS = 4;
const WORDS_PER_ENTRY = 5;

const TICK = 0;
const STATE = 0;
const GENERATION = 1;
const STARTED = 2;
const STORED = 3;
const SPOKE = 4;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A beat as the beating thread reads it. */
export interface BeatEntry {
  readonly handle: number;
  readonly ageMs: number;
  readonly stored: boolean;
  readonly beat: Beat;
}

/**
 * The running requests of a worker in memory that two threads share: writing an entry costs the serving thread less than a
 * microsecond, and a loop that is blocked need not do anything for its requests to stay known.
 *
 * Words: a tick that the serving thread counts up while it lives; then per entry its state (1 in use), its generation, the
 * millisecond it began (of which 32 bits are kept) whether it is still stored,
 * and whether something has gone to its caller since the last look.
 */
export class BeatTable {
  readonly buffer: SharedArrayBuffer;
  readonly #entries: number;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #free: number[];

  /** @param shared a buffer of another thread's table, or how many entries a new one holds */
  constructor(shared: SharedArrayBuffer | number) {
    const wordBytes = (entries: number) => 4 * (CONTROL_WORDS + entries * WORDS_PER_ENTRY);
    if (typeof shared === "number") {
      this.#entries = shared;
      this.buffer = new SharedArrayBuffer(wordBytes(shared) + shared * ENTRY_BYTES);
    } else {
      this.buffer = shared;
      this.#entries = (shared.byteLength - 4 * CONTROL_WORDS) / (4 * WORDS_PER_ENTRY + ENTRY_BYTES);
    }
    this.#words = new Int32Array(this.buffer, 0, CONTROL_WORDS + this.#entries * WORDS_PER_ENTRY);
    this.#bytes = new Uint8Array(this.buffer, wordBytes(this.#entries));
    this.#free = Array.from({ length: this.#entries }, (_, index) => this.#entries - 1 - index);
  }

  /** Says that the serving thread's loop still turns. */
  tick(): void {
    Atomics.add(this.#words, TICK, 1);
  }

  /** Changes while the serving thread's loop turns. */
  get ticks(): number {
    return Atomics.load(this.#words, TICK);
  }

  /** Writes an entry; `undefined` when the table is full or the entry does not fit. */
  add(beat: Beat): number | undefined {
    const index = this.#free.pop();
    if (index === undefined) return undefined;
    const texts = [beat.answerSubject ?? "", beat.header, beat.progressSubject ?? ""];
    const start = index * ENTRY_BYTES;
    let at = start;
    for (const text of texts) {
      if (at + 2 + text.length > start + ENTRY_BYTES) {
        this.#free.push(index);
        return undefined;
      }
      // Subjects and headers of ours are ASCII.
      const { written } = encoder.encodeInto(text, this.#bytes.subarray(at + 2, start + ENTRY_BYTES));
      this.#bytes[at] = written & 0xff;
      this.#bytes[at + 1] = written >> 8;
      at += 2 + written;
    }
    const word = CONTROL_WORDS + index * WORDS_PER_ENTRY;
    const generation = Atomics.add(this.#words, word + GENERATION, 1) + 1;
    Atomics.store(this.#words, word + STARTED, Date.now() | 0);
    Atomics.store(this.#words, word + STORED, 1);
    Atomics.store(this.#words, word + SPOKE, 0);
    Atomics.store(this.#words, word + STATE, 1);
    return index + this.#entries * (generation & 0xfffff);
  }

  /** Something has gone to the caller. */
  spoke(handle: number): void {
    Atomics.store(this.#words, this.#word(handle) + SPOKE, 1);
  }

  /** Whether something has gone to the caller since this was last asked. */
  hasSpoken(handle: number): boolean {
    return Atomics.exchange(this.#words, this.#word(handle) + SPOKE, 0) === 1;
  }

  /** The request is acknowledged: the broker needs no more beats. */
  acknowledged(handle: number): void {
    Atomics.store(this.#words, this.#word(handle) + STORED, 0);
  }

  remove(handle: number): void {
    Atomics.store(this.#words, this.#word(handle) + STATE, 0);
    this.#free.push(handle % this.#entries);
  }

  /** All entries in use, as the other thread sees them. */
  *read(): Generator<BeatEntry> {
    for (let index = 0; index < this.#entries; index++) {
      const word = CONTROL_WORDS + index * WORDS_PER_ENTRY;
      if (Atomics.load(this.#words, word + STATE) === 0) continue;
      const generation = Atomics.load(this.#words, word + GENERATION);
      const [answerSubject, header = "", progressSubject] = this.#texts(index);
      const ageMs = (Date.now() - Atomics.load(this.#words, word + STARTED)) | 0;
      const stored = Atomics.load(this.#words, word + STORED) === 1;
      // Reused while it was read: what was read may be of two requests.
      if (Atomics.load(this.#words, word + STATE) === 0 || Atomics.load(this.#words, word + GENERATION) !== generation) {
        continue;
      }
      const beat = { answerSubject: answerSubject || undefined, header, progressSubject: progressSubject || undefined };
      yield { handle: index + this.#entries * (generation & 0xfffff), ageMs, stored, beat };
    }
  }

  #word(handle: number): number {
    return CONTROL_WORDS + (handle % this.#entries) * WORDS_PER_ENTRY;
  }

  #texts(index: number): string[] {
    // Text decoders take no shared memory in browsers' specification; a copy is cheap once a second.
    const bytes = this.#bytes.slice(index * ENTRY_BYTES, (index + 1) * ENTRY_BYTES);
    const texts: string[] = [];
    for (let at = 0; texts.length < 3;) {
      const length = bytes[at]! | bytes[at + 1]! << 8;
      texts.push(decoder.decode(bytes.subarray(at + 2, at + 2 + length)));
      at += 2 + length;
    }
    return texts;
  }
}
