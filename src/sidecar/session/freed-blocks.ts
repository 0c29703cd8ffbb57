import type { MemoryLocation } from "../../data/memory.ts";

/** How long small blocks wait for company. */
const GATHER_MS = 10;
/** So much is told at once: somebody may wait for it. */
const TOLD_BYTES = 1_048_576;

/** Blocks that a worker gets back. A message for each small one would cost as much as putting it did. */
export class FreedBlocks implements Disposable {
  readonly #tell: (locations: readonly MemoryLocation[]) => void;
  #locations: MemoryLocation[] = [];
  #bytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param tell told of many at once */
  constructor(tell: (locations: readonly MemoryLocation[]) => void) {
    this.#tell = tell;
  }

  /** One is free. */
  add(location: MemoryLocation, byteLength: number): void {
    this.#locations.push(location);
    this.#bytes += byteLength;
    if (this.#bytes >= TOLD_BYTES) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS);
  }

  /** Nobody wants to hear of them any more. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#locations = [];
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const locations = this.#locations;
    this.#locations = [];
    this.#bytes = 0;
    this.#tell(locations);
  }
}
