import type { Bus } from "../bus/bus.ts";
import type { Logger } from "../bus/logger.ts";
import type { DataPlane } from "../data/data-plane.ts";
import { nodeServiceSpec } from "../data/node-service.ts";
import { TensorStore } from "../data/store.ts";
import { ownedId } from "../rpc/ids.ts";
import { serve } from "../rpc/serve.ts";
import { Subjects } from "../rpc/subjects.ts";
import type { Way } from "../waybill/mod.ts";

/** How a process serves its own tensors. */
export interface ServeTensorsOptions {
  /** The owner's name in descriptors. Default: random. */
  node?: string;
  /** Whether tensors are served over HTTP too, rather than over the bus alone. Default `true`. */
  http?: boolean;
  /** Where to listen. Default `"127.0.0.1"`: this host only. */
  hostname?: string;
  /** Default 0: any free port. */
  port?: number;
  /** What readers dial, where that is not what is listened on. */
  advertiseUrl?: string;
  /** Origins whose pages may read tensors over HTTP, such as `"https://app.example.com"`; others read over the bus. Default: none. */
  allowedOrigins?: readonly string[];
  /** Most bytes that are kept. Default 1 GiB. */
  budgetBytes?: number;
  /** Default: silent. */
  logger?: Logger;
}

/** A store that others can read. */
export interface ServedTensors extends AsyncDisposable {
  /**
   * What holds them.
   *
   * @internal
   */
  readonly store: TensorStore;
  /** The owner's name in descriptors. */
  readonly node: string;
  /** Ways to reach it, in order of preference. */
  readonly ways: readonly Way[];
  /**
   * Stops serving; what is still held is gone then.
   *
   * @param options `waitForReleaseMs`: how long to go on serving what is held, and to take nothing new. Default 0
   */
  close(options?: { waitForReleaseMs?: number }): Promise<void>;
}

/** Makes a store and serves it: over HTTP where the runtime can listen, and over the bus. */
export async function serveTensors(
  bus: Bus,
  namespace: string,
  data: DataPlane,
  options: ServeTensorsOptions = {},
): Promise<ServedTensors> {
  const { node = ownedId(bus.owner), http = true, budgetBytes, logger } = options;
  const store = new TensorStore({ node, budgetBytes, logger });
  store.advertise([{ kind: "bus", namespace, node }]);
  // Loaded when asked for: no bundle for browsers needs a server.
  const server = http ? await (await import("../data/server.ts")).serveTensors(store, options) : undefined;
  data.addStore(store);
  const service = serve(bus, {
    namespace,
    instance: node,
    subject: new Subjects(namespace).node(node),
    services: [nodeServiceSpec(store, { maxMessageBytes: bus.maxPayloadBytes })],
    logger,
  });
  const close = async ({ waitForReleaseMs = 0 }: { waitForReleaseMs?: number } = {}) => {
    if (waitForReleaseMs > 0) await store.close({ waitForReleaseMs });
    await service.close({ drainMs: 1_000 });
    data.removeStore(store);
    await server?.close();
    await store.close();
  };
  return { store, node, ways: store.describe().ways, close, [Symbol.asyncDispose]: () => close() };
}
