import { connectMemory, MemoryBroker } from "../bus/mod.ts";
import { MemoryDiscovery } from "../discovery/memory-discovery.ts";
import type { Operator } from "../worker/operator.ts";
import { startWorker, type Worker } from "../worker/worker.ts";
import type { SidecarOptions } from "./options.ts";
import type { Sidecar } from "./sidecar.ts";

/**
 * Starts a sidecar that serves operators itself, in its own process: as a worker of its own, whose outputs are made in the node's
 * memory. Without a broker they are called straight through the node alone.
 */
export async function startWithOperators(
  options: SidecarOptions & { readonly operators: readonly Operator[] },
  start: (options: SidecarOptions) => Promise<Sidecar>,
): Promise<Sidecar> {
  const { operators, servers = [], namespace, logger, ...rest } = options;
  const alone = options.over === undefined && servers.length === 0;
  const broker = new MemoryBroker();
  const over = alone ? { bus: connectMemory(broker), discovery: new MemoryDiscovery() } : options.over;
  const sidecar = await start({ ...rest, servers, namespace, logger, over });
  const end = async (drainMs?: number) => {
    await worker?.drain({ drainMs });
    await sidecar.stop({ drainMs });
    if (alone) await over?.bus.close();
  };
  let worker: Worker | undefined;
  try {
    const { node, address } = sidecar;
    // Of its own store nothing is ever served: outputs go to the node's.
    worker = await startWorker({
      ...rest,
      ...{ operators, servers, namespace, logger, over, name: node, sidecar: address },
      metricsPort: undefined,
      tensors: { http: false },
    });
  } catch (error) {
    await end(0);
    throw error;
  }
  return {
    ...sidecar,
    stop: ({ drainMs } = {}) => end(drainMs),
    [Symbol.asyncDispose]: () => end(),
  };
}
