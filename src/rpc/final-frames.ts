/** The last frame of a call, as it was published. */
export interface FinalFrame {
  /** Value of the `wb` header. */
  readonly header: string;
  /** Value of `wb-meta`; `""` for none. */
  readonly metadata: string;
  readonly payload: Uint8Array;
  /** Which hop of a delegated request it ended. */
  readonly base: number;
}

/** Larger ones are kept as they are: copying them would cost more than the objects. */
const COPIED_BYTES = 4_096;
const RECORD_HEAD_BYTES = 12;

const decoder = new TextDecoder();

/** Frames of some time, in one block of memory: thousands of small objects that live for half a minute burden the collector. */
class Generation {
  readonly #frames = new Map<string, number | FinalFrame>();
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #used = 0;
  #largeBytes = 0;

  constructor(capacityBytes: number) {
    this.#bytes = new Uint8Array(capacityBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Keeps a frame; `false` when it is full. */
  keep(key: string, frame: FinalFrame): boolean {
    const { header, metadata, payload, base } = frame;
    const large = payload.length > COPIED_BYTES || metadata.length > 0;
    const size = RECORD_HEAD_BYTES + header.length + payload.length;
    if (this.#used + this.#largeBytes + size + metadata.length > this.#bytes.length) return false;
    if (large) {
      this.#largeBytes += size + metadata.length;
      this.#frames.set(key, frame);
      return true;
    }
    let at = this.#used;
    this.#frames.set(key, at);
    this.#view.setUint32(at, base);
    this.#view.setUint32(at + 4, header.length);
    this.#view.setUint32(at + 8, payload.length);
    at += RECORD_HEAD_BYTES;
    for (let i = 0; i < header.length; i++) this.#bytes[at++] = header.charCodeAt(i);
    this.#bytes.set(payload, at);
    this.#used = at + payload.length;
    return true;
  }

  get(key: string): FinalFrame | undefined {
    const found = this.#frames.get(key);
    if (typeof found !== "number") return found;
    const header = found + RECORD_HEAD_BYTES;
    const payload = header + this.#view.getUint32(found + 4);
    return {
      header: decoder.decode(this.#bytes.subarray(header, payload)),
      metadata: "",
      payload: this.#bytes.slice(payload, payload + this.#view.getUint32(found + 8)),
      base: this.#view.getUint32(found),
    };
  }
}

/**
 * The last frames that were answered, for callers that ask because their connection was away when one was sent. Kept in two
 * generations: the older one is dropped whole once the younger one is full or old enough. A frame is kept for `maxAgeMs` at
 * least, unless the bytes run out before.
 */
export class FinalFrames {
  readonly #maxAgeMs: number;
  readonly #maxBytes: number;
  #young: Generation | undefined;
  #old: Generation | undefined;
  #turnedAt = 0;

  /** @param maxAgeMs default 30,000 ms @param maxBytes default 16 MiB */
  constructor(maxAgeMs: number = 30_000, maxBytes: number = 16 * 1024 * 1024) {
    this.#maxAgeMs = maxAgeMs;
    this.#maxBytes = maxBytes;
  }

  /** Keeps a frame under its call's key; one that is larger than half of all is not kept. */
  keep(key: string, frame: FinalFrame): void {
    const now = performance.now();
    if (this.#young !== undefined && now - this.#turnedAt <= this.#maxAgeMs && this.#young.keep(key, frame)) return;
    this.#old = this.#young;
    this.#young = new Generation(Math.floor(this.#maxBytes / 2));
    this.#turnedAt = now;
    this.#young.keep(key, frame);
  }

  /** The frame of a call, unless it is gone. */
  get(key: string): FinalFrame | undefined {
    return this.#young?.get(key) ?? this.#old?.get(key);
  }
}
