import { randomBytes } from "node:crypto";
import { DataPlane } from "../data/data-plane.ts";
import { nodeService } from "../data/node-service.ts";
import { hostId } from "../data/shm/host-id-node.ts";
import { TensorStore } from "../data/store.ts";
import type { StoreWay } from "../data/store-types.ts";
import { isReachable } from "../data/store-way.ts";
import { serveStatus } from "../worker/status-server.ts";
import { Access, standingKey } from "./access.ts";
import { Endings } from "./endings.ts";
import { NodeMemory } from "./node-memory.ts";
import { openNodeGpus } from "./node-gpus.ts";
import { NodeHealth } from "./health.ts";
import { SidecarMetrics } from "./metrics.ts";
import { openNativeMemory } from "./native-memory.ts";
import { openNodeBus } from "./node-bus.ts";
import { openDoors } from "./open-doors.ts";
import { openWire } from "./open-wire.ts";
import { type ResolvedSidecarOptions, resolveSidecarOptions, type SidecarOptions } from "./options.ts";
import { startWithOperators } from "./own-operators.ts";
import { NodeSecret } from "./secret.ts";
import { describeNode } from "./service/describe.ts";
import { type NodeServicePlace, nodeServices } from "./service/node-service.ts";
import { sessionService } from "./service/session-service.ts";
import { Watches } from "./service/watches.ts";
import { Pulls } from "./session/pulls.ts";
import { Sessions } from "./session/sessions.ts";
import type { Sidecar } from "./sidecar.ts";
import type { NodeWire } from "./ucx/node-wire.ts";

/** How long one tensor of another node may take to be fetched for a worker. */
const PULL_MS = 60_000;

/**
 * Starts a sidecar: what owns a node's tensors and moves them, for the workers of this host and for other nodes.
 *
 * @throws {ConnectError} `invalid_argument` for options that cannot work, `already_exists` where its socket is in use, `unavailable`
 * where its port is, or the broker does not answer
 *
 * @example
 * ```ts
 * const sidecar = await startSidecar({ node: "gpu-0", budgetBytes: 2 ** 30 });
 * console.log(sidecar.address, sidecar.url);
 * await sidecar.stop();
 * ```
 */
export async function startSidecar(options: SidecarOptions = {}): Promise<Sidecar> {
  const { operators = [], ...alone } = options;
  return operators.length === 0 ? await startAlone(alone) : await startWithOperators({ ...alone, operators }, startAlone);
}

async function startAlone(options: SidecarOptions): Promise<Sidecar> {
  const resolved = resolveSidecarOptions(options);
  const endings = new Endings(resolved.logger);
  try {
    return await assemble(resolved, endings);
  } catch (error) {
    await endings.run();
    throw error;
  }
}

async function assemble(options: ResolvedSidecarOptions, endings: Endings): Promise<Sidecar> {
  const { node, namespace, logger, limits, budgetBytes, segmentBytes, leaseMs } = options;
  const memory = openNativeMemory(options);
  const { segments, arena } = memory;
  endings.add("shared memory", () => segments?.[Symbol.dispose]());
  const gpus = openNodeGpus(memory, options.gpuBytes);
  endings.add("GPUs", () => gpus.memory?.[Symbol.dispose]());
  const key = randomBytes(32);
  const tensors = gpus.memory === undefined ? arena : new NodeMemory(arena, gpus.memory);
  const store = new TensorStore({ node, budgetBytes, memory: tensors, key, leaseMs, logger });
  endings.add("store", () => store.close());

  const metrics = new SidecarMetrics({ node, namespace }, store);
  endings.add("metrics", () => metrics.close());
  const hasBus = options.servers.length > 0 || options.over !== undefined;
  const bus = hasBus ? await openNodeBus(options, metrics.calls) : undefined;
  const data = bus?.client.data ?? new DataPlane({ logger, observers: [metrics.calls] });
  endings.add("bus", () => bus?.close() ?? data[Symbol.asyncDispose]());
  data.addStore(store);

  const { wire, found, transports: ucxTransports } = await openWire(options, memory, { store, key, gpus: gpus.memory });
  endings.add("UCX", () => wire?.[Symbol.asyncDispose]());
  const fetchInto = wire && ((...args: Parameters<NodeWire["fetchInto"]>) => wire.fetchInto(...args));
  const startId = randomBytes(16);
  const host = hostId(segments?.backing);
  const sessions = new Sessions({
    store,
    service: nodeService(store),
    segments,
    pulls: new Pulls({ store, data, timeoutMs: PULL_MS, fetchInto, observer: metrics.calls, logger }),
    startId,
    host,
    segmentBytes,
    limits,
    logger,
  });
  endings.add("sessions", () => sessions[Symbol.dispose]());
  const facts = {
    startId: startId.toString("hex"),
    host,
    native: [memory.found, found, gpus.found],
    ucxTransports,
    gpus: gpus.gpus,
    notes: memory.notes,
  };
  const describe = () => describeNode(facts, { store, segments, gpus, sessions });
  const parts = { store, watches: new Watches(store, limits.maxWatches), describe };
  const service = (place: NodeServicePlace) => nodeServices(parts, place);

  const secret = new NodeSecret();
  const health = new NodeHealth();
  const doors = await openDoors({
    options,
    secret,
    access: new Access(secret, options.tokens),
    store,
    health,
    client: bus?.client,
    sessions: sessionService(sessions),
    services: service({
      maxMessageBytes: limits.maxMessageBytes,
      way: "http",
      standingOf: ({ values }) => values.get(standingKey),
    }),
  });
  const { url } = doors;
  endings.add("doors", () => doors.close({ drainMs: 1_000 }));
  metrics.watch(() => ({
    sessions: sessions.size,
    pins: sessions.pins,
    segmentBytes: segments?.bytes ?? 0,
    connections: doors.connections,
    requests: doors.requests,
  }));
  const ways: StoreWay[] = segments === undefined ? [] : [{ kind: "shm", host }];
  if (wire !== undefined) ways.push(wire.way);
  ways.push({ kind: "http", url: `${url}/v1/tensors` });
  if (bus !== undefined) ways.push({ kind: "bus", namespace, node });
  store.advertise(ways);

  const maxMessageBytes = bus?.client.bus.maxPayloadBytes ?? 0;
  bus?.serve({
    // Who may send on the bus at all may put tensors there.
    open: service({ maxMessageBytes, way: "bus", standingOf: () => "anyone", open: true }),
    control: service({ maxMessageBytes, way: "bus", standingOf: () => "trusted" }),
  });
  const { metricsPort } = options;
  const status = metricsPort === undefined
    ? undefined
    : await serveStatus(metrics, bus?.client.bus ?? { connected: true }, metricsPort);
  endings.add("status", () => status?.close());
  await bus?.register(ways.filter(isReachable));
  endings.add("registration", () => bus?.unregister());

  const stop = async (drainMs: number) => {
    health.stopServing();
    await bus?.unregister();
    await store.close({ waitForReleaseMs: drainMs });
    await endings.run();
  };
  let stopping: Promise<void> | undefined;
  const sidecar: Sidecar = {
    node,
    url,
    address: `unix:${options.socketPath}`,
    metricsUrl: status?.url,
    disconnected: bus?.client.bus.closed ?? new Promise(() => {}),
    store,
    describe,
    stop: ({ drainMs = options.drainMs } = {}) => stopping ??= stop(drainMs),
    [Symbol.asyncDispose]: () => sidecar.stop(),
  };
  return sidecar;
}
