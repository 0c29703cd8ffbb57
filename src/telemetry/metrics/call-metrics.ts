import { Code, ConnectError } from "@connectrpc/connect";
import type { Registry } from "prom-client";
import type { CallEnd, CallFacts, CallWatch, ClientObserver, FetchFacts, FetchWatch } from "../observer.ts";
import { outcomeOf } from "../outcome.ts";
import { Durations } from "./durations.ts";
import { addMetric } from "./registry.ts";

/** Operators that get a label of their own; calls to more are counted together. */
const MAX_OPERATORS = 1_000;
/** Stands for operators that there are not, or too many: names that users make up never become labels. */
const OTHER = "_other";

const WAYS = ["shm", "ucx", "http", "bus"] as const;

/** Calls to one operator. */
class Calls {
  inFlight = 0;
  readonly durations: Durations = new Durations();
  /** By mode and outcome. */
  readonly ended: Map<string, number> = new Map();

  end(mode: string, outcome: string, seconds: number): void {
    const key = `${mode} ${outcome}`;
    this.ended.set(key, (this.ended.get(key) ?? 0) + 1);
    this.durations.observe(seconds);
  }
}

/** Counts what a client calls and fetches. */
export class CallMetrics implements ClientObserver {
  readonly #calls = new Map<string, Calls>();
  /** Operators of which nothing is known but that they are called: shown once one has answered. */
  #unanswered = 0;
  readonly #fetchedBytes = new Map<string, number>();
  readonly #fetches = new Map<string, number>();
  readonly #failedWays = new Map<string, number>();

  constructor(registry: Registry) {
    addMetric(registry, {
      name: "waybill_client_requests_total",
      help: "Calls of this process that ended, by operator, outcome and mode",
      type: "counter",
      samples: () =>
        [...this.#calls].flatMap(([operator, { ended }]) =>
          [...ended].map(([key, value]) => {
            const [mode = "", outcome = ""] = key.split(" ");
            return { labels: { operator, outcome, mode }, value };
          })
        ),
    });
    addMetric(registry, {
      name: "waybill_client_requests_in_flight",
      help: "Calls of this process that wait for their answer, by operator; of operators that never answered together",
      type: "gauge",
      samples: () => {
        const known = [...this.#calls].filter(([operator]) => operator !== OTHER);
        const inFlight = known.map(([operator, calls]): [string, number] => [operator, calls.inFlight]);
        return [...inFlight, [OTHER, this.#unanswered] as const].map(([operator, value]) => ({ labels: { operator }, value }));
      },
    });
    addMetric(registry, {
      name: "waybill_client_request_duration_seconds",
      help: "How long calls of this process took, waiting in a queue included, by operator",
      type: "histogram",
      samples: () =>
        [...this.#calls].flatMap(([operator, { durations }]) => [
          ...durations.samples("waybill_client_request_duration_seconds", { operator }),
        ]),
    });
    addMetric(registry, {
      name: "waybill_fetches_total",
      help: "Tensors or parts of them that this process fetched, by the way that was taken and outcome",
      type: "counter",
      samples: () =>
        [...this.#fetches].map(([key, value]) => {
          const [way = "", outcome = ""] = key.split(" ");
          return { labels: { way, outcome }, value };
        }),
    });
    addMetric(registry, {
      name: "waybill_fetched_bytes_total",
      help: "Bytes of tensors that this process fetched, by the way that was taken",
      type: "counter",
      samples: () => [...this.#fetchedBytes].map(([way, value]) => ({ labels: { way }, value })),
    });
    addMetric(registry, {
      name: "waybill_fetch_fallbacks_total",
      help: "Ways to fetch a tensor that failed, so that the next one was tried",
      type: "counter",
      samples: () => WAYS.map((way) => ({ labels: { way }, value: this.#failedWays.get(way) ?? 0 })),
    });
  }

  wayFailed({ way }: { way: string }): void {
    this.#failedWays.set(way, (this.#failedWays.get(way) ?? 0) + 1);
  }

  call({ operator, mode }: CallFacts): CallWatch {
    return new MeasuredCall(this, operator, mode);
  }

  fetch({ bytes }: FetchFacts): FetchWatch {
    return {
      ended: ({ way = "none", error }) => {
        const key = `${way} ${outcomeOf(error)}`;
        this.#fetches.set(key, (this.#fetches.get(key) ?? 0) + 1);
        if (error === undefined) this.#fetchedBytes.set(way, (this.#fetchedBytes.get(way) ?? 0) + bytes);
      },
    };
  }

  /** Calls to an operator that has a label, if it has one. */
  begin(operator: string): Calls | undefined {
    const calls = this.#calls.get(operator);
    if (calls === undefined) this.#unanswered++;
    else calls.inFlight++;
    return calls;
  }

  /** Counts an end; `calls` is what the call began with. */
  end(calls: Calls | undefined, operator: string, mode: string, error: unknown, seconds: number): void {
    if (calls === undefined) this.#unanswered--;
    else calls.inFlight--;
    (calls ?? this.#of(operator, error)).end(mode, outcomeOf(error), seconds);
  }

  /** An operator gets its label by answering, or failing, as one that exists. */
  #of(operator: string, error: unknown): Calls {
    const exists = error === undefined || !unsure.has(ConnectError.from(error).code);
    const label = exists && (this.#calls.has(operator) || this.#calls.size < MAX_OPERATORS) ? operator : OTHER;
    let calls = this.#calls.get(label);
    if (calls === undefined) this.#calls.set(label, calls = new Calls());
    return calls;
  }
}

/** Codes that calls to operators that are not there fail with. */
const unsure: ReadonlySet<Code> = new Set([
  ...[Code.NotFound, Code.Unavailable, Code.DeadlineExceeded, Code.Canceled],
  ...[Code.InvalidArgument, Code.PermissionDenied, Code.Unauthenticated],
]);

class MeasuredCall implements CallWatch {
  readonly #metrics: CallMetrics;
  readonly #operator: string;
  readonly #mode: string;
  readonly #calls: Calls | undefined;
  readonly #startedAt = performance.now();

  constructor(metrics: CallMetrics, operator: string, mode: string) {
    this.#metrics = metrics;
    this.#operator = operator;
    this.#mode = mode;
    this.#calls = metrics.begin(operator);
  }

  ended({ error }: CallEnd): void {
    this.#metrics.end(this.#calls, this.#operator, this.#mode, error, (performance.now() - this.#startedAt) / 1000);
  }
}
