/**
 * The shared memory of a node: made by it, removed by it, swept away where a dead node left it.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import process from "node:process";
import type { Logger } from "../bus/logger.ts";
import type { Segment } from "../data/arena/arena.ts";
import type { SegmentBacking } from "../data/shm/host-id-node.ts";
import type { NativeAddon } from "../native/mod.ts";

/** Where segments are files that every process of this user can open. */
const FOLDER = "/dev/shm";

/** A segment that a node owns. */
export interface NodeSegment extends Segment {
  readonly name: string;
  /** What others of this user open. */
  readonly path: string;
}

/** Follows which segments there are. */
export interface SegmentObserver {
  added?(segment: NodeSegment): void;
  /** It is about to go: its pages stay until the promise settles. */
  removed?(segment: NodeSegment): Promise<void> | void;
}

/** How to open a node's shared memory. */
export interface NodeSegmentsOptions {
  readonly addon: NativeAddon;
  /** Bytes of all segments. */
  readonly budgetBytes: number;
  readonly logger: Logger;
}

/** All segments of one node, within a budget. Files are locked for as long as the node lives, so that no sweep takes them. */
export class NodeSegments implements Disposable {
  /** What the segments are made of. */
  readonly backing: SegmentBacking;
  /** Why they are not in /dev/shm, where they are not. */
  readonly note: string | undefined;
  readonly #options: NodeSegmentsOptions;
  readonly #open = new Map<
    NodeSegment,
    { readonly fd: number; readonly buffer: ArrayBuffer; readonly file: string | undefined }
  >();
  readonly #observers = new Set<SegmentObserver>();
  #bytes = 0;

  /** Removes what dead nodes of this user left, and looks at the room that there is. */
  constructor(options: NodeSegmentsOptions) {
    this.#options = options;
    this.note = this.#sweep() ?? this.#tooSmall();
    this.backing = this.note === undefined ? "dev-shm" : "memfd";
  }

  /** Those that there are, the oldest first. */
  get all(): NodeSegment[] {
    return [...this.#open.keys()];
  }

  /** Bytes of all of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Tells somebody of segments from now on; the returned function ends that. */
  watch(observer: SegmentObserver): () => void {
    this.#observers.add(observer);
    return () => void this.#observers.delete(observer);
  }

  /** Makes one; `undefined` where the budget or the machine has no room for it. */
  create(byteLength: number): NodeSegment | undefined {
    const { addon, budgetBytes, logger } = this.#options;
    if (this.#bytes + byteLength > budgetBytes) return undefined;
    const name = `${prefix()}${randomBytes(8).toString("hex")}`;
    const file = this.backing === "dev-shm" ? `${FOLDER}/${name}` : undefined;
    let fd: number | undefined;
    try {
      fd = (file === undefined ? addon.createMemorySegment(name, byteLength) : addon.createSegment(file, byteLength)).fd;
      const buffer = addon.mapSegment(fd, byteLength, true);
      const segment = { name, path: file ?? `/proc/${process.pid}/fd/${fd}`, bytes: new Uint8Array(buffer) };
      this.#open.set(segment, { fd, buffer, file });
      this.#bytes += byteLength;
      for (const observer of this.#observers) observer.added?.(segment);
      return segment;
    } catch (error) {
      if (fd !== undefined) addon.closeSegment(fd);
      if (fd !== undefined && file !== undefined) addon.unlinkSegment(file);
      logger.warn("Cannot make a segment of shared memory", { bytes: byteLength, error: String(error) });
      return undefined;
    }
  }

  /** Removes one, whose blocks nobody may use any more; pages that others map stay theirs until they let go. */
  remove(segment: NodeSegment): void {
    const parts = this.#open.get(segment);
    if (parts === undefined) return;
    this.#open.delete(segment);
    this.#bytes -= segment.bytes.length;
    const { addon } = this.#options;
    if (parts.file !== undefined) addon.unlinkSegment(parts.file);
    const users = [...this.#observers].map((observer) => observer.removed?.(segment)).filter((user) => user !== undefined);
    const letGo = () => {
      addon.unmapSegment(parts.buffer);
      addon.closeSegment(parts.fd);
    };
    if (users.length === 0) letGo();
    else void Promise.allSettled(users).then(letGo);
  }

  /** Removes all. */
  [Symbol.dispose](): void {
    for (const segment of this.all) this.remove(segment);
  }

  /** @returns why there is no such folder */
  #sweep(): string | undefined {
    const { addon, logger } = this.#options;
    try {
      const { removed } = addon.sweepSegments(FOLDER, prefix());
      if (removed.length > 0) logger.info("Removed shared memory that dead nodes left", { segments: removed.length });
      return undefined;
    } catch (error) {
      return `${FOLDER} cannot be used (${
        error instanceof Error ? error.message : String(error)
      }): tensors are in memory files`;
    }
  }

  #tooSmall(): string | undefined {
    const { addon, budgetBytes } = this.#options;
    const { totalBytes } = addon.segmentSpace(FOLDER);
    if (totalBytes >= budgetBytes) return undefined;
    return `${FOLDER} has ${totalBytes} bytes, fewer than the budget of ${budgetBytes}: tensors are in memory files, which other ` +
      `containers cannot map`;
  }
}

/** What the names of this user's segments begin with. */
function prefix(): string {
  return `waybill-${process.getuid?.() ?? "user"}-`;
}
