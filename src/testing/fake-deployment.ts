import { connectMemory, MemoryBroker } from "../bus/mod.ts";
import { BusLink } from "../client/bus-link.ts";
import { Client, type ClientOptions } from "../client/client.ts";
import { MemoryDiscovery, MemoryStore } from "../discovery/mod.ts";
import type { Operator } from "../worker/operator.ts";
import { startWorker, type Worker } from "../worker/worker.ts";
import type { WorkerOptions } from "../worker/worker-options.ts";

/** What to serve in this process. */
export interface FakeDeploymentOptions extends Omit<WorkerOptions, "over" | "operators"> {
  /** What it serves. */
  operators: readonly Operator[];
}

/** A worker and a client in this process, joined by a broker in memory. */
export interface FakeDeployment extends AsyncDisposable {
  /** To call the operators with. */
  readonly client: Client;
  /** Serves the operators. */
  readonly worker: Worker;
  /** Joins them. */
  readonly broker: MemoryBroker;
  /** Another client, on a connection of its own. `close()` ends it too. */
  connect(options?: ClientOptions): Client;
  /** Another worker, on a connection of its own. `close()` drains it too. */
  startWorker(options: FakeDeploymentOptions): Promise<Worker>;
  /** Ends all of it. */
  close(): Promise<void>;
}

/**
 * Serves operators in this process, without a broker, for tests.
 *
 * @example
 * ```ts
 * const { client, close } = await startFakeDeployment({ operators: [double] });
 * const { y } = await client.operator("double").infer({ x: new Float32Array([1, 2]) });
 * await close();
 * ```
 */
export async function startFakeDeployment(options: FakeDeploymentOptions): Promise<FakeDeployment> {
  const broker = new MemoryBroker();
  const store = new MemoryStore();
  const { namespace, logger } = options;
  const clients: Client[] = [];
  const workers: Worker[] = [];
  const connect = (clientOptions: ClientOptions = {}): Client => {
    const discovery = new MemoryDiscovery({ store });
    const own = { namespace, logger, ...clientOptions };
    const client = new Client(new BusLink(connectMemory(broker), discovery, { ...own, ownsBus: true }), own);
    clients.push(client);
    return client;
  };
  const addWorker = async (workerOptions: FakeDeploymentOptions): Promise<Worker> => {
    const over = { bus: connectMemory(broker), discovery: new MemoryDiscovery({ store }) };
    const worker = await startWorker({ namespace, logger, tensors: { http: false }, ...workerOptions, over });
    workers.push(worker);
    return worker;
  };
  const close = async () => {
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(workers.map((worker) => worker.drain({ drainMs: 1_000 })));
    await Promise.all(workers.map((worker) => worker.client.bus.close()));
  };
  const worker = await addWorker(options);
  return { client: connect(), worker, broker, connect, startWorker: addWorker, close, [Symbol.asyncDispose]: close };
}
