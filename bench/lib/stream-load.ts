/** What the streams of the bench are: so many items, so far apart. Product and floor stream the same. */
export const ITEMS = 11;
/** Milliseconds between two items of a stream. */
export const ITEM_GAP_MS = 100;

/** Streams that wait for their first item at once, while the load begins: a turn of the loop that opens thousands reads nothing meanwhile. */
const OPENING_AT_ONCE = 4_000;

/** What a stream client is asked for: to keep so many streams open for so long, from when all have begun. */
export interface StreamLoad {
  readonly streams: number;
  readonly seconds: number;
  readonly mode: "queue" | "direct";
}

/** What it found. */
export interface StreamsMeasured {
  /** Streams that ended with all of their items, in order. */
  readonly completed: number;
  readonly errors: number;
  /** What the first error said. */
  readonly firstError: string | undefined;
  /** Items received in each second. */
  readonly itemsPerSecond: readonly number[];
  /** Streams that were open in each second, at most. */
  readonly openPerSecond: readonly number[];
  /** Between two items of a stream. */
  readonly gapP50Ms: number;
  readonly gapP99Ms: number;
  /** From the call to the first item. */
  readonly firstP50Ms: number;
  readonly firstP99Ms: number;
}

/** Opens one stream and yields the number in each item. */
export type OpenStream = () => AsyncIterable<number>;

/** Opens so many streams, keeps as many open until the time is up from then on, and lets them end. */
export async function measureStreams({ streams, seconds }: StreamLoad, open: OpenStream): Promise<StreamsMeasured> {
  const startedAt = performance.now();
  let endsAt = Infinity;
  let firstBegun = 0;
  const begin = () => {
    opening.give();
    if (++firstBegun === streams) endsAt = performance.now() + seconds * 1000;
  };
  const itemsPerSecond: number[] = [];
  const gaps = new Reservoir();
  const firsts = new Reservoir();
  const opening = new Permits(OPENING_AT_ONCE);
  let [completed, errors] = [0, 0];
  let firstError: string | undefined;
  let openNow = 0;
  const openPerSecond: number[] = [];
  const one = async (isFirst: boolean) => {
    if (isFirst) await opening.take();
    openNow++;
    let last = performance.now();
    let expected = 0;
    let begun = false;
    try {
      for await (const value of open()) {
        const now = performance.now();
        if (isFirst && !begun) begin();
        begun = true;
        if (value !== expected) throw new Error(`Item ${expected} is missing, got ${value}`);
        (expected++ === 0 ? firsts : gaps).add(now - last);
        last = now;
        const second = Math.floor((now - startedAt) / 1000);
        itemsPerSecond[second] = (itemsPerSecond[second] ?? 0) + 1;
        openPerSecond[second] = Math.max(openPerSecond[second] ?? 0, openNow);
      }
    } finally {
      openNow--;
      if (isFirst && !begun) begin();
    }
    if (expected !== ITEMS) throw new Error(`It ended after ${expected} of ${ITEMS} items`);
  };
  await Promise.all(Array.from({ length: streams }, async (_, index) => {
    // Not all at once, so that they do not all end together either.
    await new Promise((resolve) => setTimeout(resolve, ITEMS * ITEM_GAP_MS * index / streams));
    for (let isFirst = true; performance.now() < endsAt; isFirst = false) {
      try {
        await one(isFirst);
        completed++;
      } catch (error) {
        errors++;
        firstError ??= String(error);
        // A failing server must not be asked in a tight loop.
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }));
  return {
    completed,
    errors,
    firstError,
    itemsPerSecond: Array.from(itemsPerSecond, (items) => items ?? 0),
    openPerSecond: Array.from(openPerSecond, (open) => open ?? 0),
    gapP50Ms: gaps.at(0.5),
    gapP99Ms: gaps.at(0.99),
    firstP50Ms: firsts.at(0.5),
    firstP99Ms: firsts.at(0.99),
  };
}

/** So many may have one at a time. */
class Permits {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  take(): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free--;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.pop();
    if (next === undefined) this.#free++;
    else next();
  }
}

const RESERVOIR = 100_000;

/** Quantiles of millions of values out of a sample of them. */
class Reservoir {
  readonly #values: number[] = [];
  #seen = 0;

  add(value: number): void {
    this.#seen++;
    if (this.#values.length < RESERVOIR) this.#values.push(value);
    else {
      const index = Math.floor(Math.random() * this.#seen);
      if (index < RESERVOIR) this.#values[index] = value;
    }
  }

  at(part: number): number {
    this.#values.sort((a, b) => a - b);
    return this.#values[Math.floor(part * (this.#values.length - 1))] ?? NaN;
  }
}
