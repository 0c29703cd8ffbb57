/** What the streams of the bench are: so many items, so far apart. Product and floor stream the same. */
export const ITEMS = 11;
/** Milliseconds between two items of a stream. */
export const ITEM_GAP_MS = 100;

/** How fast streams are opened at first. */
const RAMP_PER_MS = 4;

/** What a stream client is asked for: to keep so many streams open for so long. */
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
  /** Between two items of a stream. */
  readonly gapP50Ms: number;
  readonly gapP99Ms: number;
  /** From the call to the first item. */
  readonly firstP50Ms: number;
  readonly firstP99Ms: number;
}

/** Opens one stream and yields the number in each item. */
export type OpenStream = () => AsyncIterable<number>;

/** Keeps streams open until the time is up, then lets the open ones end. */
export async function measureStreams({ streams, seconds }: StreamLoad, open: OpenStream): Promise<StreamsMeasured> {
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  const itemsPerSecond: number[] = [];
  const gaps = new Reservoir();
  const firsts = new Reservoir();
  const rampMs = Math.max(ITEMS * ITEM_GAP_MS, streams / RAMP_PER_MS);
  let [completed, errors] = [0, 0];
  let firstError: string | undefined;
  const one = async () => {
    let last = performance.now();
    let expected = 0;
    for await (const value of open()) {
      const now = performance.now();
      if (value !== expected) throw new Error(`Item ${expected} is missing, got ${value}`);
      (expected++ === 0 ? firsts : gaps).add(now - last);
      last = now;
      const second = Math.floor((now - startedAt) / 1000);
      itemsPerSecond[second] = (itemsPerSecond[second] ?? 0) + 1;
    }
    if (expected !== ITEMS) throw new Error(`It ended after ${expected} of ${ITEMS} items`);
  };
  await Promise.all(Array.from({ length: streams }, async (_, index) => {
    // Not all at once, so that they do not all end together either.
    await new Promise((resolve) => setTimeout(resolve, rampMs * index / streams));
    while (performance.now() < endsAt) {
      try {
        await one();
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
    gapP50Ms: gaps.at(0.5),
    gapP99Ms: gaps.at(0.99),
    firstP50Ms: firsts.at(0.5),
    firstP99Ms: firsts.at(0.99),
  };
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
