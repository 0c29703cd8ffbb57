import { create } from "@bufbuild/protobuf";
import { type ModelStatistics, ModelStatisticsSchema } from "../../../gen/inference/management_pb.ts";

interface Count {
  count: bigint;
  ns: bigint;
}

interface Counts {
  lastMs: number;
  items: bigint;
  executions: bigint;
  readonly success: Count;
  readonly fail: Count;
  readonly batches: Map<number, Count>;
}

const NOTHING = { count: 0n, ns: 0n };

/** What became of the requests that passed here, by model and version. */
export class RequestCounts {
  readonly #counts = new Map<string, Counts>();

  /** Counts one request from its begin to its end. */
  add(model: string, version: string, outcome: "success" | "fail", ms: number, batchSize: number): void {
    const counts = this.#of(model, version);
    const ns = BigInt(Math.round(ms * 1e6));
    bump(counts[outcome], ns);
    counts.executions++;
    if (outcome === "fail") return;
    counts.lastMs = Date.now();
    counts.items += BigInt(batchSize);
    const batch = counts.batches.get(batchSize) ?? { ...NOTHING };
    bump(batch, ns);
    counts.batches.set(batchSize, batch);
  }

  /** As the statistics extension has it. What an operator does with the time is not known here: it counts as computing. */
  of(name: string, version: string): ModelStatistics {
    const counts = this.#of(name, version);
    const { success, fail } = counts;
    const none = () => ({ count: success.count, ns: 0n });
    return create(ModelStatisticsSchema, {
      name,
      version,
      lastInference: BigInt(counts.lastMs),
      inferenceCount: counts.items,
      executionCount: counts.executions,
      inferenceStats: {
        success,
        fail,
        queue: none(),
        computeInput: none(),
        computeInfer: success,
        computeOutput: none(),
        cacheHit: NOTHING,
        cacheMiss: NOTHING,
      },
      batchStats: [...counts.batches].map(([batchSize, batch]) => ({
        batchSize: BigInt(batchSize),
        computeInput: { count: batch.count, ns: 0n },
        computeInfer: batch,
        computeOutput: { count: batch.count, ns: 0n },
      })),
    });
  }

  #of(model: string, version: string): Counts {
    const key = JSON.stringify([model, version]);
    let counts = this.#counts.get(key);
    if (counts === undefined) {
      counts = { lastMs: 0, items: 0n, executions: 0n, success: { ...NOTHING }, fail: { ...NOTHING }, batches: new Map() };
      this.#counts.set(key, counts);
    }
    return counts;
  }
}

function bump(count: Count, ns: bigint): void {
  count.count++;
  count.ns += ns;
}
