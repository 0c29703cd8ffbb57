import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { expect } from "bun:test";
import type { Client } from "../../mod.ts";
import { launchNatsServer } from "../../src/testing/nats-server.ts";
import { isRunning, type Program, until } from "../support/program.ts";
import { type Execution, readJournal } from "./journal.ts";
import { differences, type Footprint, footprint } from "./leftovers.ts";
import { Ledger, type VerifyOptions } from "./ledger.ts";
import { pause } from "../support/waiting.ts";
import { serving, Troubled, type TroubledWorker } from "./troubled.ts";

/** How to start a worker of test/fixtures/recorded-worker.ts. */
export interface RecordedWorkerOptions {
  /** Default: the broker's. */
  readonly url?: string;
  /** Requests that run at once. Default 16. */
  readonly slots?: number;
  /** Default 2,000 ms: tests need not wait for the usual five seconds, and processes of a busy machine stand still for one. */
  readonly ackWaitMs?: number;
  readonly namespace?: string;
  /** Which operators of the file it serves. Default: all. */
  readonly operators?: readonly string[];
}

/** How to check that all went well. */
export interface CheckOptions extends VerifyOptions {
  /** How long requests may take to settle. Default 30,000 ms. */
  readonly settleMs?: number;
  /** What was there before the fault. Default: it is not compared. */
  readonly before?: Footprint;
  /** Whether messages may stay in queues: those of operators that nobody serves. Default `false`. */
  readonly unserved?: boolean;
}

/** A troubled world whose workers write down what they execute, and whose requests are all accounted for. */
export class Recorded extends Troubled {
  readonly #folder: string;
  readonly #alone: boolean;
  ledger: Ledger = new Ledger();
  #journal = 0;

  private constructor(broker: Troubled["broker"], folder: string, alone: boolean) {
    super(broker);
    this.#folder = folder;
    this.#alone = alone;
  }

  /** @param options `alone`: whether no other world is in this process, whose open files are counted then; default `true` */
  static async open(options: { alone?: boolean } = {}): Promise<Recorded> {
    const folder = await mkdtemp(join(tmpdir(), "waybill-journal-"));
    return new Recorded(await launchNatsServer({ maxMemoryBytes: 2 ** 40 }), folder, options.alone ?? true);
  }

  /** Starts a worker process without waiting for it. */
  startRecorded(options: RecordedWorkerOptions = {}): Program {
    const { url = this.broker.tcpUrl, slots = 16, ackWaitMs = 2_000, namespace = this.namespace, operators } = options;
    return this.program("test/fixtures/recorded-worker.ts", [], "node", {
      WAYBILL_URL: url,
      WAYBILL_NAMESPACE: namespace,
      WAYBILL_ACK_WAIT_MS: String(ackWaitMs),
      JOURNAL: this.journal,
      SLOTS: String(slots),
      WAYBILL_OPERATORS: operators === undefined ? "" : JSON.stringify(operators),
    });
  }

  /** Starts a worker process and waits until it serves. */
  async recorded(options?: RecordedWorkerOptions): Promise<TroubledWorker> {
    return await serving(this.startRecorded(options));
  }

  /** The file that workers write to. */
  get journal(): string {
    return join(this.#folder, `${this.#journal}.jsonl`);
  }

  /** What workers have executed so far. */
  executions(): Promise<Execution[]> {
    return readJournal(this.journal);
  }

  /** Waits until as many executions of a request have begun. */
  async begun(id: string, count: number = 1, timeoutMs: number = 20_000): Promise<void> {
    const runs = async () => (await this.executions()).filter((execution) => execution.id === id).length;
    await until(`"${id}" runs for the ${count}. time`, async () => await runs() >= count, timeoutMs);
  }

  /** What is there before a fault, once each worker has served a request and nothing changes any more. */
  async baseline(client: Client, workers: readonly TroubledWorker[]): Promise<Footprint> {
    await Promise.all(workers.map(({ instance }) => client.operator("work", { instance }).infer({}, { id: "warm" })));
    await client.bus.flush();
    let last = await this.#footprint(client, workers);
    await until("nothing changes", async () => {
      const before = last;
      await pause(100);
      last = await this.#footprint(client, workers);
      return differences(before, last).length === 0;
    });
    return last;
  }

  #footprint(client: Client, workers: readonly Program[]): Promise<Footprint> {
    return footprint(this.broker, client.bus, this.namespace, [
      ...(this.#alone ? [process.pid] : []),
      ...workers.map(({ pid }) => pid),
    ]);
  }

  /** Checks every request against what the workers wrote down, and that nothing is left behind. */
  async check(client: Client, workers: readonly Program[], options: CheckOptions = {}): Promise<void> {
    await this.ledger.settled(options.settleMs ?? 30_000);
    expect(client.caller.openCalls).toBe(0);
    let left: string[] = [];
    const before = options.before;
    const compare = async () => {
      const now = await this.#footprint(client, workers);
      left = before !== undefined
        ? differences(before, now)
        : Object.entries(now).filter(([what, count]) => count > 0 && /^(messages|unacknowledged)/.test(what)).map((
          [what, count],
        ) => `${what}: ${count}`);
      return left.length === 0;
    };
    if (options.unserved !== true) {
      await until("nothing is left behind", compare, 20_000).catch((error) => {
        throw new Error(`${(error as Error).message}:\n${left.join("\n")}`);
      });
    }
    expect(this.ledger.verify(await this.executions(), options)).toEqual([]);
    for (const worker of workers) expect([worker.pid, await isRunning(worker.pid)]).toEqual([worker.pid, true]);
  }

  override async clear(): Promise<void> {
    await super.clear();
    this.ledger = new Ledger();
    this.#journal++;
  }

  override async stop(): Promise<void> {
    await super.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Stops a process where it stands; it hears nothing and says nothing. */
export function freeze({ pid }: Program): void {
  process.kill(pid, "SIGSTOP");
}

/** Lets it go on. */
export function thaw({ pid }: Program): void {
  process.kill(pid, "SIGCONT");
}
