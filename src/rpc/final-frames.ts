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

/** `base`, the number of the header, then the lengths of the key, the metadata and the payload. */
const RECORD_HEAD_BYTES = 20;
/** One slot in the index for so many bytes: records are larger, so that half of it stays empty. */
const BYTES_PER_SLOT = 64;
/** What an odd header counts. */
const HEADER_BYTES = 128;
const HASHED_CHARS = 12;
const MAX_COPIED_BYTES = 16_384;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Frames of some time, in one block of memory with an index of its own (open addressing, FNV-1a). Objects and strings that
 * live for half a minute would be moved about by the garbage collector again and again, at a fifth of the cost of a small call.
 */
class Generation {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Where records begin, plus one; 0 is empty. */
  readonly #slots: Int32Array;
  /** Headers differ in attempt and sequence only, so that most frames share one. */
  readonly #headers: string[] = [];
  /** Kept as they are: copying them would cost more than the objects. */
  readonly #large = new Map<string, FinalFrame>();
  #largeBytes = 0;
  #used = 0;

  constructor(capacityBytes: number) {
    this.#bytes = new Uint8Array(capacityBytes);
    this.#view = new DataView(this.#bytes.buffer);
    this.#slots = new Int32Array(Math.max(64, 2 ** Math.ceil(Math.log2(capacityBytes / BYTES_PER_SLOT))));
  }

  /** Keeps a frame; `false` when it is full. */
  keep(key: string, { header, metadata, payload, base }: FinalFrame): boolean {
    // Metadata is the only text of users' own, and may be any.
    const meta = metadata === "" ? undefined : encoder.encode(metadata);
    const metaLength = meta?.length ?? 0;
    const size = RECORD_HEAD_BYTES + key.length + metaLength + payload.length;
    const used = this.#used + this.#largeBytes + HEADER_BYTES * this.#headers.length;
    if (used + size > this.#bytes.length) return false;
    if (payload.length > MAX_COPIED_BYTES) {
      this.#large.set(key, { header, metadata, payload, base });
      this.#largeBytes += size;
      return true;
    }
    if (this.#headers.at(-1) !== header) this.#headers.push(header);
    const start = this.#used;
    this.#view.setUint32(start, base);
    this.#view.setUint32(start + 4, this.#headers.length - 1);
    this.#view.setUint32(start + 8, key.length);
    this.#view.setUint32(start + 12, metaLength);
    this.#view.setUint32(start + 16, payload.length);
    let at = start + RECORD_HEAD_BYTES;
    // Ids are ASCII.
    for (let i = 0; i < key.length; i++) this.#bytes[at++] = key.charCodeAt(i);
    if (meta !== undefined) this.#bytes.set(meta, at);
    this.#bytes.set(payload, at + metaLength);
    this.#used = start + size;
    this.#slots[this.#slotOf(key)] = start + 1;
    return true;
  }

  /** Forgets all, to begin anew in the same memory: a new block each time would be zeroed, and drive the collector. */
  clear(): this {
    this.#slots.fill(0);
    this.#headers.length = 0;
    this.#large.clear();
    this.#largeBytes = this.#used = 0;
    return this;
  }

  get(key: string): FinalFrame | undefined {
    const large = this.#large.get(key);
    if (large !== undefined) return large;
    const start = this.#slots[this.#slotOf(key)]! - 1;
    if (start < 0) return undefined;
    const length = (index: number) => this.#view.getUint32(start + 4 * index);
    const metadata = start + RECORD_HEAD_BYTES + length(2);
    const payload = metadata + length(3);
    return {
      base: length(0),
      header: this.#headers[length(1)]!,
      metadata: decoder.decode(this.#bytes.subarray(metadata, payload)),
      payload: this.#bytes.slice(payload, payload + length(4)),
    };
  }

  /** The slot of a key, or the empty one where it belongs. There always is one: records are larger than a slot's share. */
  #slotOf(key: string): number {
    let hash = 0x811c9dc5;
    // Call ids are random, and stand at the end of the key.
    for (let i = Math.max(0, key.length - HASHED_CHARS); i < key.length; i++) {
      hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
    }
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0 && !this.#isAt(this.#slots[slot]! - 1, key)) slot = slot + 1 & mask;
    return slot;
  }

  #isAt(start: number, key: string): boolean {
    if (this.#view.getUint32(start + 8) !== key.length) return false;
    for (let i = 0, at = start + RECORD_HEAD_BYTES; i < key.length; i++) {
      if (this.#bytes[at++] !== key.charCodeAt(i)) return false;
    }
    return true;
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
    const next = this.#old?.clear() ?? new Generation(Math.floor(this.#maxBytes / 2));
    this.#old = this.#young;
    this.#young = next;
    this.#turnedAt = now;
    this.#young.keep(key, frame);
  }

  /** The frame of a call, unless it is gone. */
  get(key: string): FinalFrame | undefined {
    return this.#young?.get(key) ?? this.#old?.get(key);
  }
}
