import { Code, ConnectError } from "@connectrpc/connect";

/** Gaps that are kept track of; pieces of a window of a few in flight leave a few. */
const MAX_RUNS = 256;

interface Run {
  readonly start: number;
  readonly end: number;
}

/** Which bytes of a whole have arrived: runs that neither touch nor overlap. */
export class Pieces {
  readonly #size: number;
  #runs: Run[] = [];
  #received = 0;

  /** @param size bytes of the whole */
  constructor(size: number) {
    this.#size = size;
  }

  /** Bytes that are there. */
  get received(): number {
    return this.#received;
  }

  /**
   * Notes a piece; one that was there already changes nothing.
   *
   * @throws {ConnectError} `out_of_range` when it reaches beyond the whole, `resource_exhausted` when it leaves too many gaps
   */
  add(offset: number, length: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > this.#size) {
      throw new ConnectError(
        `Cannot upload: a piece must lie within the ${this.#size} bytes, got ${length} bytes at ${offset}`,
        Code.OutOfRange,
      );
    }
    if (length === 0) return;
    let run: Run = { start: offset, end: offset + length };
    const apart: Run[] = [];
    for (const other of this.#runs) {
      if (other.end < run.start || other.start > run.end) apart.push(other);
      else run = { start: Math.min(run.start, other.start), end: Math.max(run.end, other.end) };
    }
    if (apart.length >= MAX_RUNS) {
      throw new ConnectError(
        `Cannot upload: pieces may leave at most ${MAX_RUNS} gaps, got one more at ${offset}`,
        Code.ResourceExhausted,
      );
    }
    apart.push(run);
    this.#runs = apart;
    this.#received = apart.reduce((sum, { start, end }) => sum + end - start, 0);
  }
}
