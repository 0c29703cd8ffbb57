import type { Client } from "../../src/client/client.ts";

/** What callers saw. */
export interface LoadResult {
  readonly sent: number;
  /** How often each text was answered. */
  readonly texts: ReadonlyMap<string, number>;
  readonly pids: ReadonlySet<number>;
  /** What failed, and what was answered to another request. */
  readonly failures: readonly string[];
}

/** Callers that call without a pause. */
export interface Load {
  /** How many requests were answered so far. */
  readonly answered: number;
  /** The workers that have answered so far. */
  readonly pids: ReadonlySet<number>;
  /** Ends after the requests that run, and tells. */
  stop(): Promise<LoadResult>;
}

/** How requests are made. */
export interface LoadOptions {
  readonly mode?: "queue" | "direct";
  /** Whether answers come in the message, or are fetched from the worker that made them. */
  readonly inline?: boolean;
}

/** Calls the operator of the fixture `versioned.ts` by this many callers at once, each request once. */
export function startLoad(client: Client, callers: number, { mode = "queue", inline = true }: LoadOptions = {}): Load {
  const texts = new Map<string, number>();
  const pids = new Set<number>();
  const failures: string[] = [];
  let sent = 0;
  let answered = 0;
  let stopped = false;
  const call = async () => {
    const operator = client.operator("answer", { retries: 0, mode });
    while (!stopped) {
      const n = sent++;
      try {
        const outputs = await operator.infer({ n: Int32Array.of(n) }, { inline, timeoutMs: 30_000 });
        const seen = Number((await outputs.n?.fetch())?.data[0]);
        if (seen !== n) failures.push(`${n} was answered ${seen}`);
        const [text = ""] = (await outputs.text?.fetch())?.strings() ?? [];
        texts.set(text, (texts.get(text) ?? 0) + 1);
        pids.add(Number((await outputs.pid?.fetch())?.data[0]));
        answered++;
        await Promise.all(Object.values(outputs).map((output) => output.release()));
      } catch (error) {
        // A few tell as much as all.
        if (failures.length < 10) failures.push(`${n}: ${error}`);
      }
    }
  };
  const running = Array.from({ length: callers }, call);
  return {
    pids,
    get answered() {
      return answered;
    },
    async stop() {
      stopped = true;
      await Promise.all(running);
      return { sent, texts, pids, failures };
    },
  };
}
