import { ConnectError } from "@connectrpc/connect";
import { type CallOptions, type Client, Code, errorDetail, type InferOutputs, infoOf, type Tensor } from "../../mod.ts";
import type { Execution } from "./journal.ts";

/** A request and what became of it, as its caller saw it. */
export interface Entry {
  readonly id: string;
  readonly operator: string;
  readonly timeoutMs: number;
  readonly sentAtMs: number;
  /** `"ok"`, or the reason (else the code) of the error. `undefined` while it is open. */
  outcome: string | undefined;
  /** Which execution answered. */
  attempt: number | undefined;
  /** Which instance answered. */
  instance: string | undefined;
  settledAtMs: number;
  /** Parts of the answer that came, of streams. */
  items: number;
  /** Settles with the outcome; never rejects. */
  readonly done: Promise<string>;
}

/** How a ledger is checked. */
export interface VerifyOptions {
  /** Outcomes beside `"ok"` that the fault excuses. Default: none. */
  readonly excused?: readonly string[];
  /** How often one request may have been executed. Default 3, the operators' `maxAttempts`. */
  readonly maxAttempts?: number;
  /** Whether the broker was killed, and so may have forgotten the latest deliveries: two executions may have one number then. */
  readonly forgetful?: boolean;
}

/** The caller's clock and the workers' are one; this is for the broker's, which they measure, and for a busy machine. */
const CLOCK_MS = 250;
/** A caller learns of its own deadline from a timer. */
const LATE_MS = 3_000;
/** Outcomes of requests that no worker may have seen. */
const NEVER_RUN: readonly string[] = ["QUEUE_FULL", "DUPLICATE", "NOT_DECLARED"];

async function idOf({ id }: InferOutputs): Promise<string> {
  const [first = ""] = (await id?.fetch() as Tensor).strings();
  return first;
}

/** Every request that a test sends, with its outcome; {@linkcode verify} holds them against what the workers wrote down. */
export class Ledger {
  readonly entries: Entry[] = [];
  readonly #faults: string[] = [];
  #next = 0;

  /** Sends a request for one answer. */
  call(client: Client, operator: string, options: CallOptions = {}): Entry {
    return this.#open(operator, options, async (entry, all) => {
      const outputs = await client.operator(operator).infer({}, all);
      const { attempt, instance } = infoOf(outputs) ?? {};
      Object.assign(entry, { attempt, instance });
      const id = await idOf(outputs);
      if (id !== entry.id) this.#faults.push(`${entry.id}: got the answer to ${id}`);
    });
  }

  /** Sends a request for many answers, and reads them all. */
  stream(client: Client, operator: string, options: CallOptions = {}): Entry {
    return this.#open(operator, options, async (entry, all) => {
      for await (const outputs of client.operator(operator).stream({}, all)) {
        const piece = (await outputs.piece?.fetch() as Tensor).data[0];
        if (piece !== entry.items) this.#faults.push(`${entry.id}: piece ${piece} came as number ${entry.items}`);
        entry.items++;
      }
    });
  }

  /** Waits until all are settled. Rejects with those that are not. */
  async settled(limitMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const open = this.entries.filter(({ outcome }) => outcome === undefined).map(({ id }) => id);
        reject(
          new Error(`After ${limitMs} ms ${open.length} of ${this.entries.length} requests are open: ${open.slice(0, 10)}`),
        );
      }, limitMs);
    });
    try {
      await Promise.race([Promise.all(this.entries.map(({ done }) => done)), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** How many ended how. */
  outcomes(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { outcome = "open" } of this.entries) counts[outcome] = (counts[outcome] ?? 0) + 1;
    return counts;
  }

  /** What does not fit the rules, in words; none when all is well. */
  verify(executions: readonly Execution[], options: VerifyOptions = {}): string[] {
    const runs = Map.groupBy(executions, ({ id }) => id);
    runs.delete("warm");
    const known = new Set(this.entries.map(({ id }) => id));
    const strangers = [...runs.keys()].filter((id) => !known.has(id));
    return [
      ...this.#faults,
      ...strangers.map((id) => `${id}: was executed, and nobody sent it`),
      ...this.entries.flatMap((entry) => faultsOf(entry, runs.get(entry.id) ?? [], options)),
    ];
  }

  #open(operator: string, options: CallOptions, run: (entry: Entry, all: CallOptions) => Promise<void>): Entry {
    const { timeoutMs = 60_000 } = options;
    const id = typeof options.id === "string" ? options.id : `${operator}-${++this.#next}`;
    const blank = { outcome: undefined, attempt: undefined, instance: undefined, settledAtMs: Infinity, items: 0 };
    const entry = { id, operator, timeoutMs, sentAtMs: Date.now(), ...blank } as Omit<Entry, "done"> & {
      done: Promise<string>;
    };
    const settle = (outcome: string) => {
      if (entry.outcome !== undefined) this.#faults.push(`${id}: ended as ${entry.outcome}, then as ${outcome}`);
      entry.settledAtMs = Date.now();
      return entry.outcome = outcome;
    };
    entry.done = run(entry, { ...options, id, timeoutMs }).then(() => settle("ok"), (error) => settle(outcomeOf(error)));
    this.entries.push(entry);
    return entry;
  }
}

/** How a call failed: the error's reason, else its code. */
export function outcomeOf(thrown: unknown): string {
  const error = ConnectError.from(thrown);
  return errorDetail(error)?.reason || Code[error.code] || String(thrown);
}

function faultsOf(entry: Entry, runs: readonly Execution[], options: VerifyOptions): string[] {
  const { excused = [], maxAttempts = 3, forgetful = false } = options;
  const { id, outcome, attempt, sentAtMs, timeoutMs, settledAtMs } = entry;
  const faults: string[] = [];
  const own = runs.filter(({ operator }) => operator === entry.operator);
  if (outcome === undefined) faults.push("has no outcome");
  else if (outcome !== "ok" && !excused.includes(outcome)) faults.push(`ended as ${outcome}`);
  if (settledAtMs > sentAtMs + timeoutMs + LATE_MS) {
    faults.push(`ended ${settledAtMs - sentAtMs - timeoutMs} ms after its deadline`);
  }
  for (const { beganAtMs, pid } of runs) {
    const lateMs = beganAtMs - sentAtMs - timeoutMs;
    if (lateMs > CLOCK_MS) faults.push(`began ${lateMs} ms after its deadline in process ${pid}`);
  }
  const attempts = own.map((run) => run.attempt);
  if (new Set(attempts).size < attempts.length && !forgetful) faults.push(`ran twice under one number: attempts ${attempts}`);
  if (attempts.length > maxAttempts || attempts.some((number) => number > maxAttempts)) {
    faults.push(`ran more often than ${maxAttempts} times: attempts ${attempts}`);
  }
  if (NEVER_RUN.includes(outcome ?? "") && runs.length > 0) faults.push(`ended as ${outcome}, and yet it ran`);
  if (outcome === "ok" && !runs.some((run) => run.ended === "end" && (attempt === undefined || run.attempt === attempt))) {
    faults.push(`was answered as attempt ${attempt}, and no worker ended that: ${JSON.stringify(runs)}`);
  }
  if (outcome === "MAX_ATTEMPTS" && own.length !== maxAttempts) faults.push(`was given up after ${own.length} executions`);
  return faults.map((fault) => `${id}: ${fault}`);
}
