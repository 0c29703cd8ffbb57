import { Durations } from "../telemetry/metrics/durations.ts";
import type { Sample } from "../telemetry/metrics/registry.ts";
import type { DispatchMode } from "../rpc/route.ts";

/** What is counted of one operator: numbers that are added to on the path of every request. */
export interface OperatorMetrics {
  /** A request begins. Returns what `ended` wants back. */
  started(): number;
  /** @param outcome `"ok"` or the error's code */
  ended(mode: DispatchMode, outcome: string, startedAt: number): void;
  /** A queued request was taken, after this time in the queue, as this delivery of it. */
  taken(queuedMs: number, deliveries: number): void;
  /** A request was refused before it was executed. */
  refused(mode: DispatchMode, outcome: string): void;
  /** A request was given up and went to the dead letters. */
  buried(reason: string): void;
  /** Tensors of a request or an answer. */
  moved(direction: "in" | "out", way: string, bytes: number): void;
}

/** Counts nothing, at no cost. */
export const noMetrics: OperatorMetrics = {
  started: () => 0,
  ended() {},
  taken() {},
  refused() {},
  buried() {},
  moved() {},
};

/** Counts. */
export class OperatorStats implements OperatorMetrics {
  readonly operator: string;
  /** How long requests ran. */
  readonly durations: Durations = new Durations();
  /** How long queued requests waited. */
  readonly waits: Durations = new Durations();
  /** Queued requests that were delivered here after another delivery had failed. */
  redeliveries = 0;
  readonly #succeeded: Record<DispatchMode, number> = { "queue": 0, "direct": 0, "at-most-once": 0 };
  /** By mode and code. */
  readonly #failed = new Map<string, number>();
  readonly #buried = new Map<string, number>();
  /** By direction and way; what is inline is counted apart, being on every request's path. */
  readonly #moved = new Map<string, number>();
  #inlineIn = 0;
  #inlineOut = 0;

  constructor(operator: string) {
    this.operator = operator;
  }

  started(): number {
    return performance.now();
  }

  ended(mode: DispatchMode, outcome: string, startedAt: number): void {
    if (outcome === "ok") this.#succeeded[mode]++;
    else this.refused(mode, outcome);
    this.durations.observe((performance.now() - startedAt) / 1000);
  }

  taken(queuedMs: number, deliveries: number): void {
    this.waits.observe(queuedMs / 1000);
    if (deliveries > 1) this.redeliveries++;
  }

  refused(mode: DispatchMode, outcome: string): void {
    add(this.#failed, `${mode} ${outcome}`, 1);
  }

  buried(reason: string): void {
    add(this.#buried, reason, 1);
  }

  moved(direction: "in" | "out", way: string, bytes: number): void {
    if (way !== "inline") add(this.#moved, `${direction} ${way}`, bytes);
    else if (direction === "in") this.#inlineIn += bytes;
    else this.#inlineOut += bytes;
  }

  /** Requests that ended, by outcome and mode. */
  *requests(): Generator<Sample> {
    const { operator } = this;
    for (const [mode, value] of Object.entries(this.#succeeded)) {
      if (value > 0 || mode === "queue") yield { labels: { operator, outcome: "ok", mode }, value };
    }
    for (const [key, value] of this.#failed) {
      const [mode = "", outcome = ""] = key.split(" ");
      yield { labels: { operator, outcome, mode }, value };
    }
  }

  /** Requests that were given up, by reason. */
  *deadLetters(): Generator<Sample> {
    for (const [reason, value] of this.#buried) {
      yield { labels: { operator: this.operator, reason: reason.toLowerCase() }, value };
    }
  }

  /** Bytes of tensors, by direction and way. */
  *bytes(): Generator<Sample> {
    const { operator } = this;
    yield { labels: { operator, direction: "in", way: "inline" }, value: this.#inlineIn };
    yield { labels: { operator, direction: "out", way: "inline" }, value: this.#inlineOut };
    for (const [key, value] of this.#moved) {
      const [direction = "", way = ""] = key.split(" ");
      yield { labels: { operator, direction, way }, value };
    }
  }
}

function add(counts: Map<string, number>, key: string, value: number): void {
  counts.set(key, (counts.get(key) ?? 0) + value);
}
