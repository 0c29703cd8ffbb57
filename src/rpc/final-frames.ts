/** A final frame as it was published. */
export interface FinalFrame {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: Record<string, string>;
}

const ENTRY_OVERHEAD_BYTES = 512;

/**
 * The last frames that were answered, for callers that ask because their connection was away when one was sent. Bounded in
 * age and bytes; the oldest go first.
 */
export class FinalFrames {
  readonly #frames = new Map<string, { frame: FinalFrame; at: number }>();
  readonly #maxAgeMs: number;
  readonly #maxBytes: number;
  #bytes = 0;

  /** @param maxAgeMs default 30,000 ms @param maxBytes default 16 MiB */
  constructor(maxAgeMs: number = 30_000, maxBytes: number = 16 * 1024 * 1024) {
    this.#maxAgeMs = maxAgeMs;
    this.#maxBytes = maxBytes;
  }

  /** Keeps a frame under its call's key. */
  keep(key: string, frame: FinalFrame): void {
    const now = performance.now();
    this.#frames.set(key, { frame, at: now });
    this.#bytes += sizeOf(frame);
    for (const [oldest, { frame: old, at }] of this.#frames) {
      if (this.#bytes <= this.#maxBytes && now - at <= this.#maxAgeMs) break;
      this.#frames.delete(oldest);
      this.#bytes -= sizeOf(old);
    }
  }

  /** The frame of a call, unless it is gone. */
  get(key: string): FinalFrame | undefined {
    return this.#frames.get(key)?.frame;
  }
}

function sizeOf(frame: FinalFrame): number {
  return frame.payload.length + ENTRY_OVERHEAD_BYTES;
}
