/** A part of an address range. */
export interface Run {
  readonly offset: number;
  readonly length: number;
}

/** Lengths of runs are multiples of this. */
export const PAGE_BYTES = 4_096;

/** Bins per doubling of the length. */
const STEPS = 4;

/** Free runs of a range: neighbours are merged when they are added, and the smallest that fits is taken. */
export class FreeRuns {
  readonly #byStart = new Map<number, Run>();
  readonly #byEnd = new Map<number, Run>();
  readonly #bins: Set<Run>[] = [];
  #bytes = 0;

  /** Bytes of all runs. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The length of the longest run; 0 without any. */
  get largest(): number {
    for (let bin = this.#bins.length - 1; bin >= 0; bin--) {
      const runs = this.#bins[bin];
      if (runs === undefined || runs.size === 0) continue;
      let largest = 0;
      for (const { length } of runs) largest = Math.max(largest, length);
      return largest;
    }
    return 0;
  }

  /** Adds a run, merged with those that it touches. */
  add(run: Run): void {
    let { offset, length } = run;
    this.#bytes += length;
    const before = this.#byEnd.get(offset);
    if (before !== undefined) {
      this.#remove(before);
      offset = before.offset;
      length += before.length;
    }
    const after = this.#byStart.get(offset + length);
    if (after !== undefined) {
      this.#remove(after);
      length += after.length;
    }
    this.#insert({ offset, length });
  }

  /**
   * Takes a part out of the smallest run that holds it.
   *
   * @param alignment what its offset must be a multiple of
   * @returns its offset; `undefined` where no run is long enough
   */
  take(length: number, alignment: number): number | undefined {
    for (let bin = binOf(length); bin < this.#bins.length; bin++) {
      const run = bestOf(this.#bins[bin], length, alignment);
      if (run !== undefined) return this.#cut(run, alignUp(run.offset, alignment), length);
    }
    return undefined;
  }

  #cut(run: Run, offset: number, length: number): number {
    this.#remove(run);
    this.#bytes -= length;
    if (offset > run.offset) this.#insert({ offset: run.offset, length: offset - run.offset });
    const end = offset + length;
    const runEnd = run.offset + run.length;
    if (runEnd > end) this.#insert({ offset: end, length: runEnd - end });
    return offset;
  }

  #insert(run: Run): void {
    this.#byStart.set(run.offset, run);
    this.#byEnd.set(run.offset + run.length, run);
    (this.#bins[binOf(run.length)] ??= new Set()).add(run);
  }

  #remove(run: Run): void {
    this.#byStart.delete(run.offset);
    this.#byEnd.delete(run.offset + run.length);
    this.#bins[binOf(run.length)]?.delete(run);
  }
}

/** The next multiple of `alignment`, a power of two, from `offset` on; exact beyond 32 bits. */
export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

function bestOf(runs: ReadonlySet<Run> | undefined, length: number, alignment: number): Run | undefined {
  let best: Run | undefined;
  for (const run of runs ?? []) {
    if (best !== undefined && run.length >= best.length) continue;
    if (alignUp(run.offset, alignment) + length <= run.offset + run.length) best = run;
  }
  return best;
}

/** Which bin a length is in; longer ones are never in an earlier one. */
function binOf(length: number): number {
  // In pages, so that 31 bits are enough for any range.
  const pages = Math.max(1, Math.floor(length / PAGE_BYTES));
  const exponent = 31 - Math.clz32(pages);
  return exponent * STEPS + Math.floor((pages / 2 ** exponent - 1) * STEPS);
}
