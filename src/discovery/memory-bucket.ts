import { Code } from "@connectrpc/connect";
import { abortError, fault } from "../rpc/error.ts";
import type { Bucket, BucketEntry, BucketListener, BucketWatch, PutOptions } from "./bucket.ts";
import type { DiscoveryCallOptions } from "./discovery.ts";
import type { MemoryStore } from "./memory-store.ts";

interface Watching {
  readonly listener: BucketListener;
  stopHearing: () => void;
}

/** One participant's way to a {@linkcode MemoryStore}, which can be cut. */
export class MemoryBucket implements Bucket {
  readonly #store: MemoryStore;
  readonly #watching = new Set<Watching>();
  readonly #onRestored = new Set<() => void>();
  #connected = true;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  get connected(): boolean {
    return this.#connected;
  }

  async get(key: string, options?: DiscoveryCallOptions): Promise<BucketEntry | undefined> {
    await this.#reach(`read "${key}"`, options);
    return this.#store.get(key);
  }

  async put(key: string, value: Uint8Array, options: PutOptions = {}): Promise<number> {
    await this.#reach(`write "${key}"`, options);
    return this.#store.put(key, value, options);
  }

  async delete(key: string, options: DiscoveryCallOptions & { ttlMs: number }): Promise<void> {
    await this.#reach(`delete "${key}"`, options);
    if (this.#store.get(key) !== undefined) {
      this.#store.put(key, new Uint8Array(0), { ttlMs: options.ttlMs, deleted: "closed" });
    }
  }

  async list(prefix: string, options?: DiscoveryCallOptions): Promise<BucketEntry[]> {
    await this.#reach(`list "${prefix}"`, options);
    return this.#store.list(prefix);
  }

  watch(listener: BucketListener): BucketWatch {
    const watching: Watching = { listener, stopHearing: () => {} };
    this.#watching.add(watching);
    if (this.#connected) this.#hear(watching);
    return {
      stop: () => {
        watching.stopHearing();
        this.#watching.delete(watching);
      },
      heardAt: () => this.#connected ? performance.now() : -Infinity,
    };
  }

  onRestored(listener: () => void): () => void {
    this.#onRestored.add(listener);
    return () => this.#onRestored.delete(listener);
  }

  close(): void {
    this.#onRestored.clear();
  }

  /** Cuts this participant off. */
  disconnect(): void {
    if (!this.#connected) return;
    this.#connected = false;
    for (const watching of this.#watching) {
      watching.stopHearing();
      watching.listener.interrupted();
    }
  }

  /** Ends the cut. */
  reconnect(): void {
    if (this.#connected) return;
    this.#connected = true;
    for (const listener of [...this.#onRestored]) listener();
    for (const watching of [...this.#watching]) this.#hear(watching);
  }

  /** Events come on a later turn, as they would from a broker: a listener may call back in. */
  #hear(watching: Watching): void {
    let hearing = true;
    const later = (tell: () => void) => queueMicrotask(() => hearing && tell());
    const entries = this.#store.list();
    later(() => watching.listener.snapshot(entries));
    const stop = this.#store.onWrite((entry) => later(() => watching.listener.change(entry)));
    watching.stopHearing = () => {
      hearing = false;
      stop();
    };
  }

  /** Asynchronous, so that an abort and a cut show as they do with a broker. */
  async #reach(action: string, options: DiscoveryCallOptions | undefined): Promise<void> {
    await Promise.resolve();
    if (options?.signal?.aborted === true) throw abortError(options.signal);
    if (!this.#connected) throw fault(`Cannot ${action}: the store is cut off`, Code.Unavailable);
  }
}
