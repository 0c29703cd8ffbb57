import { Code, ConnectError } from "@connectrpc/connect";
import type { MapFile, Mapping } from "./mapping.ts";

/** A segment as its owner tells of it. */
export interface SegmentFile {
  /** What others call it. */
  readonly name: string;
  /** Where it is to be opened. */
  readonly path: string;
  /** Its size. */
  readonly byteLength: number;
}

/**
 * The segments that one owner has told of: each is mapped once, when it is first looked at, and stays mapped, since touching every page
 * anew costs more than copying them.
 */
export class Segments {
  readonly #mapFile: MapFile;
  readonly #files = new Map<string, SegmentFile>();
  readonly #mappings = new Map<string, Mapping>();
  readonly #awaited = new Map<string, PromiseWithResolvers<void>>();
  #closed = false;

  constructor(mapFile: MapFile) {
    this.#mapFile = mapFile;
  }

  /** Bytes that are mapped. */
  get mappedBytes(): number {
    let sum = 0;
    for (const { byteLength } of this.#mappings.values()) sum += byteLength;
    return sum;
  }

  /** Adds a segment; it is not mapped yet. */
  add(file: SegmentFile): void {
    this.#files.set(file.name, file);
    this.#awaited.get(file.name)?.resolve();
    this.#awaited.delete(file.name);
  }

  /** Takes a segment's mapping away as the last of its views go: its pages are nobody's any more. */
  remove(name: string): void {
    this.#mappings.get(name)?.close();
    this.#mappings.delete(name);
    this.#files.delete(name);
  }

  /** Settles once a segment is known, or `waitMs` have passed: what names it may be faster than what tells of it. */
  async known(name: string, waitMs: number): Promise<void> {
    if (this.#files.has(name) || this.#closed) return;
    let awaited = this.#awaited.get(name);
    if (awaited === undefined) this.#awaited.set(name, awaited = Promise.withResolvers());
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, waitMs));
    await Promise.race([awaited.promise, late]);
    clearTimeout(timer);
  }

  /**
   * Bytes of a segment, read-only: to write to them ends the process, as any other fault does.
   *
   * @throws {ConnectError} `unavailable` for a segment that is not known or cannot be mapped, `data_loss` for bytes beyond it
   */
  view(name: string, offset: number, length: number): Uint8Array<ArrayBuffer> {
    const mapping = this.#mappings.get(name) ?? this.#map(name);
    if (offset + length <= mapping.byteLength) return mapping.view(offset, length);
    const text = `Cannot read segment "${name}": it has ${mapping.byteLength} bytes, got ${length} bytes at ${offset}`;
    throw new ConnectError(text, Code.DataLoss);
  }

  /** Takes the mappings away as the last of their views go. */
  close(): void {
    this.#closed = true;
    for (const mapping of this.#mappings.values()) mapping.close();
    this.#mappings.clear();
    this.#files.clear();
    for (const { resolve } of this.#awaited.values()) resolve();
    this.#awaited.clear();
  }

  #map(name: string): Mapping {
    const file = this.#files.get(name);
    if (file === undefined || this.#closed) {
      throw new ConnectError(`Cannot read segment "${name}": its owner has told of no such segment`, Code.Unavailable);
    }
    const mapping = this.#mapFile({ path: file.path, byteLength: file.byteLength, writable: false });
    this.#mappings.set(name, mapping);
    return mapping;
  }
}
