/** A frame as it was published. */
export interface SentFrame {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: Record<string, string>;
}

/** A final frame, and which hop of a delegated request it ended. */
export interface FinalFrame extends SentFrame {
  readonly base: number;
}

const ENTRY_OVERHEAD_BYTES = 512;

/**
 * The last frames that were answered, for callers that ask because their connection was away when one was sent. Kept in two
 * generations: the older one is dropped whole once the younger one is full or old enough, so that keeping a frame costs one
 * entry in a map. A frame is kept for `maxAgeMs` at least, unless the bytes run out before.
 */
export class FinalFrames {
  readonly #maxAgeMs: number;
  readonly #maxBytes: number;
  #young = new Map<string, FinalFrame>();
  #old = new Map<string, FinalFrame>();
  #youngBytes = 0;
  #turnedAt: number = performance.now();

  /** @param maxAgeMs default 30,000 ms @param maxBytes default 16 MiB */
  constructor(maxAgeMs: number = 30_000, maxBytes: number = 16 * 1024 * 1024) {
    this.#maxAgeMs = maxAgeMs;
    this.#maxBytes = maxBytes;
  }

  /** Keeps a frame under its call's key. */
  keep(key: string, frame: FinalFrame): void {
    const now = performance.now();
    if (this.#youngBytes > this.#maxBytes / 2 || now - this.#turnedAt > this.#maxAgeMs) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
      this.#turnedAt = now;
    }
    this.#young.set(key, frame);
    this.#youngBytes += frame.payload.length + ENTRY_OVERHEAD_BYTES;
  }

  /** The frame of a call, unless it is gone. */
  get(key: string): FinalFrame | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }
}
