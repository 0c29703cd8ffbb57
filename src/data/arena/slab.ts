/** Bytes of a slab: cells of one size for small blocks. */
export const SLAB_BYTES = 65_536;

/** Blocks up to this many bytes share slabs. */
export const MAX_CELL_BYTES: number = SLAB_BYTES / 4;

const MIN_CELL_BYTES = 64;
/** Cell sizes per doubling. */
const STEPS = 4;

/**
 * The size of a cell that holds so many bytes: multiples of 64, at most a quarter larger from 256 bytes on.
 *
 * @param byteLength from 0 to {@linkcode MAX_CELL_BYTES}
 */
export function cellBytes(byteLength: number): number {
  if (byteLength <= MIN_CELL_BYTES) return MIN_CELL_BYTES;
  const below = 2 ** (31 - Math.clz32(byteLength - 1));
  const step = Math.max(MIN_CELL_BYTES, below / STEPS);
  return Math.ceil(byteLength / step) * step;
}

/** A run that is cut into cells of one size. */
export class Slab {
  /** Where it starts. */
  readonly offset: number;
  /** What each cell holds. */
  readonly cellBytes: number;
  readonly #cells: number;
  readonly #free: number[] = [];
  // Cells from here on were never used, and stand on no list.
  #fresh = 0;

  constructor(offset: number, size: number) {
    this.offset = offset;
    this.cellBytes = size;
    this.#cells = Math.floor(SLAB_BYTES / size);
  }

  /** Whether every cell is taken. */
  get full(): boolean {
    return this.#free.length === 0 && this.#fresh === this.#cells;
  }

  /** Whether no cell is taken. */
  get empty(): boolean {
    return this.#free.length === this.#fresh;
  }

  /** Takes a cell of a slab that is not full; returns its offset. */
  take(): number {
    const cell = this.#free.pop() ?? this.#fresh++;
    return this.offset + cell * this.cellBytes;
  }

  /** Gives a cell back. */
  give(offset: number): void {
    this.#free.push((offset - this.offset) / this.cellBytes);
  }
}
