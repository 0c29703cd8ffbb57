import type { Logger } from "../../bus/logger.ts";
import type { NodeSegment, NodeSegments } from "../segments.ts";
import type { UcxMemory } from "./memory.ts";
import type { UcxWire } from "./wire.ts";

/** Registers each segment of a node with UCX, once, and takes it out before the segment goes. */
export class SegmentMemories implements Disposable {
  readonly #wire: UcxWire;
  readonly #logger: Logger;
  readonly #known = new Map<string, { memory: UcxMemory | undefined; readonly adding: Promise<void> }>();
  readonly #unwatch: () => void;
  #onAdded: (segment: string) => void = () => {};

  constructor(wire: UcxWire, segments: NodeSegments, logger: Logger) {
    this.#wire = wire;
    this.#logger = logger;
    this.#unwatch = segments.watch({
      added: (segment) => this.#add(segment),
      removed: (segment) => this.#remove(segment),
    });
    for (const segment of segments.all) this.#add(segment);
  }

  /** The memory of a segment, once it is registered. */
  of(segment: string): UcxMemory | undefined {
    return this.#known.get(segment)?.memory;
  }

  /** The same, once it is known whether it can be registered. */
  async ready(segment: string): Promise<UcxMemory | undefined> {
    await this.#known.get(segment)?.adding;
    return this.of(segment);
  }

  /** Told of each segment from the moment it is registered. */
  set onAdded(told: (segment: string) => void) {
    this.#onAdded = told;
  }

  [Symbol.dispose](): void {
    this.#unwatch();
  }

  #add({ name, bytes }: NodeSegment): void {
    const adding = this.#wire.addMemory(bytes).then((memory) => {
      entry.memory = memory;
      this.#onAdded(name);
    }, (error) => this.#logger.warn("Cannot send from a segment over UCX", { segment: name, error: String(error) }));
    const entry: { memory: UcxMemory | undefined; readonly adding: Promise<void> } = { memory: undefined, adding };
    this.#known.set(name, entry);
  }

  async #remove({ name }: NodeSegment): Promise<void> {
    const entry = this.#known.get(name);
    this.#known.delete(name);
    await entry?.adding;
    if (entry?.memory !== undefined) await this.#wire.removeMemory(entry.memory).catch(() => {});
  }
}
