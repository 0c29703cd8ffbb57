import { connectMemory, MemoryBroker } from "../bus/mod.ts";
import { Client } from "../client/client.ts";
import { MemoryDiscovery } from "../discovery/mod.ts";
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
  /** Joins them; connect more clients and workers to it. */
  readonly broker: MemoryBroker;
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
  const discovery = new MemoryDiscovery();
  const { namespace } = options;
  const workerBus = connectMemory(broker);
  const worker = await startWorker({ tensors: { http: false }, ...options, over: { bus: workerBus, discovery } });
  const clientBus = connectMemory(broker);
  const client = new Client(clientBus, discovery, { namespace }, false);
  const close = async () => {
    await client.close();
    await worker.drain({ drainMs: 1_000 });
    await Promise.all([clientBus.close(), workerBus.close()]);
  };
  return { client, worker, broker, close, [Symbol.asyncDispose]: close };
}
