import { Code } from "@connectrpc/connect";
import { fault } from "../rpc/error.ts";
import type { BucketEntry } from "./bucket.ts";
import { startTimer } from "./timer.ts";

/** How long the mark of a value whose time ran out stays. */
const EXPIRED_MARK_MS = 60_000;

interface Slot extends BucketEntry {
  readonly writtenAt: number;
  readonly stopTimer: () => void;
}

/** What the participants of one process share: a key-value store with revisions, times to live and marks of what is gone. */
export class MemoryStore {
  readonly #slots = new Map<string, Slot>();
  readonly #listeners = new Set<(entry: BucketEntry) => void>();
  #revision = 0;

  /** @internal The entry of a key. */
  get(key: string): BucketEntry | undefined {
    const slot = this.#slots.get(key);
    return slot && withAge(slot);
  }

  /** @internal All entries below a first token, or all. */
  list(prefix?: string): BucketEntry[] {
    const slots = [...this.#slots.values()];
    return slots.filter(({ key }) => prefix === undefined || key.startsWith(`${prefix}.`)).map(withAge);
  }

  /** @internal Writes an entry, or with `deleted` the mark of one. */
  put(key: string, value: Uint8Array, options: { ttlMs?: number; expectedRevision?: number; deleted?: "closed" } = {}): number {
    const { ttlMs, expectedRevision, deleted } = options;
    const last = this.#slots.get(key)?.revision ?? 0;
    if (expectedRevision !== undefined && expectedRevision !== last) {
      throw fault(`Cannot write "${key}": expected revision ${expectedRevision}, found ${last}`, Code.Aborted);
    }
    this.#write(key, value, deleted, ttlMs, () => {
      if (deleted !== undefined) this.#drop(key);
      else this.#write(key, new Uint8Array(0), "expired", EXPIRED_MARK_MS, () => this.#drop(key));
    });
    return this.#revision;
  }

  /** @internal Calls the listener for each write, in order and before the write returns. */
  onWrite(listener: (entry: BucketEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Forgets everything, as a broker does that kept it in memory and was restarted. For tests. */
  clear(): void {
    for (const key of [...this.#slots.keys()]) this.#drop(key);
  }

  #write(key: string, value: Uint8Array, deleted: BucketEntry["deleted"], ttlMs: number | undefined, onEnd: () => void): void {
    this.#drop(key);
    const stopTimer = ttlMs === undefined ? () => {} : startTimer(onEnd, ttlMs);
    const slot = { key, value, revision: ++this.#revision, deleted, writtenAt: performance.now(), stopTimer };
    this.#slots.set(key, slot);
    for (const listener of this.#listeners) listener(withAge(slot));
  }

  #drop(key: string): void {
    this.#slots.get(key)?.stopTimer();
    this.#slots.delete(key);
  }
}

function withAge({ key, value, revision, deleted, writtenAt }: Slot): BucketEntry {
  return { key, value, revision, deleted, ageMs: performance.now() - writtenAt };
}
