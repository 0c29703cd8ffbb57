import { type Client, connect, type ConnectOptions } from "../../mod.ts";
import { type Broker, type BrokerOptions, launchNatsServer } from "../../src/testing/nats-server.ts";
import { type Program, type RuntimeName, startProgram, until } from "../support/program.ts";

/** A worker process of test/fixtures/troubled-worker.ts. */
export interface TroubledWorker extends Program {
  readonly instance: string;
  /** How often a line was printed. */
  count(pattern: RegExp): number;
}

/** Another worker than the troubled one. */
export interface WorkerProgram {
  /** Path from the repository's root. */
  readonly file?: string;
  readonly env?: Readonly<Record<string, string>>;
}

function randomNamespace(): string {
  return `t-${crypto.randomUUID().slice(0, 8)}`;
}

/** A broker with worker processes and clients, all ended together. */
export class Troubled {
  readonly broker: Broker;
  /** Another one for each test: what killed workers leave behind is no matter of the next. */
  namespace: string = randomNamespace();
  readonly #clients: Client[] = [];
  readonly #programs: Program[] = [];

  constructor(broker: Broker) {
    this.broker = broker;
  }

  static async start(options?: BrokerOptions): Promise<Troubled> {
    return new Troubled(await launchNatsServer({ maxMemoryBytes: 2 ** 40, ...options }));
  }

  /** Starts a worker process without waiting for it. */
  startWorker(runtime: RuntimeName = "node", namespace: string = this.namespace, what: WorkerProgram = {}): Program {
    const env = { WAYBILL_URL: this.broker.tcpUrl, WAYBILL_NAMESPACE: namespace, ...what.env };
    const program = startProgram(what.file ?? "test/fixtures/troubled-worker.ts", [], { runtime, env });
    this.#programs.push(program);
    return program;
  }

  async worker(runtime: RuntimeName = "node", namespace?: string, what?: WorkerProgram): Promise<TroubledWorker> {
    return await serving(this.startWorker(runtime, namespace, what));
  }

  program(file: string, args: string[], runtime: RuntimeName = "node", env: Record<string, string> = {}): Program {
    const program = startProgram(file, args, { runtime, env });
    this.#programs.push(program);
    return program;
  }

  async client(options: ConnectOptions = {}, url: string = this.broker.tcpUrl): Promise<Client> {
    const client = await connect(url, { reconnectWaitMs: 100, namespace: this.namespace, ...options });
    this.#clients.push(client);
    return client;
  }

  /** Ends clients and worker processes; the broker stays. */
  async clear(): Promise<void> {
    for (const client of this.#clients.splice(0)) await client.close().catch(() => {});
    await Promise.all(this.#programs.splice(0).map((program) => program.kill("SIGKILL")));
    this.namespace = randomNamespace();
  }

  async stop(): Promise<void> {
    await this.clear();
    await this.broker.stop();
  }
}

/** Waits until a worker process serves. */
export async function serving(program: Program): Promise<TroubledWorker> {
  const [, instance = ""] = await program.waitFor(/"instance":"(\w+)".*"msg":"Serving"/, 30_000);
  return Object.assign(program, {
    instance,
    count: (pattern: RegExp) => [...program.output.matchAll(new RegExp(pattern, "g"))].length,
  });
}

/** Waits until one of the workers printed a line, and says which one. */
export async function whoever(workers: readonly TroubledWorker[], pattern: RegExp): Promise<TroubledWorker> {
  await until(`a worker prints ${pattern}`, () => workers.some((worker) => worker.count(pattern) > 0), 20_000);
  return workers.find((worker) => worker.count(pattern) > 0) as TroubledWorker;
}

/** How often all of them printed a line. */
export function countOf(workers: readonly TroubledWorker[], pattern: RegExp): number {
  return workers.reduce((sum, worker) => sum + worker.count(pattern), 0);
}
