import { Code, ConnectError } from "@connectrpc/connect";
import { Allocator, rangeFor } from "../../data/arena/allocator.ts";
import { BackgroundTimer } from "../../data/background-timer.ts";
import type { SegmentFile } from "../../data/shm/segments.ts";
import type { MapFile, Mapping } from "../../data/shm/mapping.ts";
import { abortError, fault } from "../../rpc/error.ts";

/** A block of a segment that this worker may write to. */
export interface OwnBlock {
  /** Its memory, to write to until it is put. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly segment: string;
  readonly offset: number;
  readonly generation: bigint;
}

/** Names a block. */
export type BlockName = Pick<OwnBlock, "segment" | "offset" | "generation">;

interface Part {
  readonly name: string;
  readonly mapping: Mapping;
  readonly allocator: Allocator;
}

interface Waiter {
  readonly byteLength: number;
  readonly since: number;
  readonly untilMs: number;
  readonly resolve: (block: OwnBlock) => void;
  readonly reject: (error: ConnectError) => void;
}

/**
 * The worker's own segments: its allocator gives blocks in them, and gets them back when the sidecar says that nobody holds them any
 * more. Who finds no room waits in line, once more room was asked for.
 */
export class OwnSegments {
  readonly #mapFile: MapFile;
  readonly #grow: (byteLength: number) => Promise<SegmentFile>;
  readonly #parts: Part[] = [];
  readonly #timer: BackgroundTimer = new BackgroundTimer(() => this.#onTimer());
  #line: Waiter[] = [];
  #growing = false;
  #ended: ConnectError | undefined;

  /** @param grow asks the sidecar for one more segment of at least so many bytes */
  constructor(mapFile: MapFile, grow: (byteLength: number) => Promise<SegmentFile>) {
    this.#mapFile = mapFile;
    this.#grow = grow;
  }

  /** Bytes of all of them. */
  get capacityBytes(): number {
    return this.#parts.reduce((sum, { allocator }) => sum + allocator.capacityBytes, 0);
  }

  /** Bytes that blocks take. */
  get usedBytes(): number {
    return this.#parts.reduce((sum, { allocator }) => sum + allocator.usage().usedBytes, 0);
  }

  /**
   * Maps a segment to write to.
   *
   * @throws {ConnectError} as the mapper
   */
  add({ name, path, byteLength }: SegmentFile): void {
    const mapping = this.#mapFile({ path, byteLength, writable: true });
    this.#parts.push({ name, mapping, allocator: new Allocator(byteLength) });
  }

  /**
   * Takes a block: at once where there is room and nobody waits, else in turn.
   *
   * @throws {ConnectError} `resource_exhausted` when there is no room within `waitMs`, `canceled`, `unavailable` once the session has ended
   */
  allocate(byteLength: number, options: { waitMs: number; signal?: AbortSignal }): OwnBlock | Promise<OwnBlock> {
    if (this.#ended !== undefined) throw this.#ended;
    const block = this.#line.length === 0 ? this.#take(byteLength) : undefined;
    return block ?? this.#wait(byteLength, options);
  }

  /** Gives back a block that was not put, or that the sidecar has freed. One that is free already, or of another session, is left alone. */
  free(block: BlockName): void {
    const part = this.#parts.find(({ name }) => name === block.segment);
    if (part === undefined || !part.allocator.holds(block)) return;
    part.allocator.free({ offset: block.offset, generation: block.generation, length: 0 });
    this.#admit();
  }

  /** Refuses those who wait, and takes the mappings away as the last of their views go. */
  end(error: ConnectError): void {
    this.#ended = error;
    this.#timer.stop();
    for (const { reject } of this.#line.splice(0)) reject(error);
    for (const { mapping } of this.#parts.splice(0)) mapping.close();
  }

  #take(byteLength: number): OwnBlock | undefined {
    for (const { name, mapping, allocator } of this.#parts) {
      const found = allocator.allocate(byteLength);
      if (found === undefined) continue;
      const { offset, generation } = found;
      return { bytes: mapping.view(offset, byteLength), segment: name, offset, generation };
    }
    return undefined;
  }

  #wait(byteLength: number, { waitMs, signal }: { waitMs: number; signal?: AbortSignal }): Promise<OwnBlock> {
    if (signal?.aborted) throw abortError(signal);
    const { promise, resolve, reject } = Promise.withResolvers<OwnBlock>();
    const since = performance.now();
    const waiter: Waiter = { byteLength, since, untilMs: since + waitMs, resolve, reject };
    this.#line.push(waiter);
    this.#timer.wakeIn(waitMs);
    void this.#growFor(waiter);
    if (signal === undefined) return promise;
    const onAbort = () => this.#leave(waiter, abortError(signal));
    signal.addEventListener("abort", onAbort);
    return promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  /** A node that has no more to give says so, and then blocks that others give back are waited for. */
  async #growFor({ byteLength }: Waiter): Promise<void> {
    if (this.#growing) return;
    this.#growing = true;
    let grown = false;
    try {
      const file = await this.#grow(rangeFor(byteLength));
      if (this.#ended === undefined) this.add(file);
      grown = true;
    } catch (error) {
      const failure = ConnectError.from(error);
      // With nothing in use there is nothing to wait for.
      if (failure.code !== Code.ResourceExhausted || this.usedBytes === 0) {
        const first = this.#line[0];
        if (first !== undefined) this.#leave(first, failure);
      }
    } finally {
      this.#growing = false;
      this.#admit();
    }
    const first = this.#line[0];
    if (grown && first !== undefined) void this.#growFor(first);
  }

  #admit(): void {
    for (let next = this.#line[0]; next !== undefined; next = this.#line[0]) {
      const block = this.#take(next.byteLength);
      if (block === undefined) return;
      this.#line.shift();
      next.resolve(block);
    }
  }

  #leave(waiter: Waiter, error: ConnectError): void {
    this.#line = this.#line.filter((other) => other !== waiter);
    waiter.reject(error);
    this.#admit();
  }

  #onTimer(): void {
    const now = performance.now();
    for (const waiter of this.#line.filter(({ untilMs }) => untilMs <= now)) {
      const text =
        `Cannot put a tensor of ${waiter.byteLength} bytes: this worker's segments have ${this.capacityBytes} bytes, ` +
        `of which ${this.usedBytes} are taken after ${Math.round(now - waiter.since)} ms`;
      this.#leave(waiter, fault(text, Code.ResourceExhausted, { reason: "STORE_FULL" }));
    }
    const nextMs = Math.min(...this.#line.map(({ untilMs }) => untilMs));
    if (nextMs !== Infinity) this.#timer.wakeIn(nextMs - now);
  }
}
