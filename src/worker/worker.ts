import { hostname } from "node:os";
import process from "node:process";
import type { Bus } from "../bus/bus.ts";
import { connectBus } from "../bus/connect.ts";
import { type Logger, silentLogger } from "../bus/logger.ts";
import { BusLink } from "../client/bus-link.ts";
import { Client } from "../client/client.ts";
import { type ServedTensors, serveTensors } from "../client/serve-tensors.ts";
import type { Registration } from "../discovery/discovery.ts";
import { KvDiscovery } from "../discovery/kv-discovery.ts";
import type { Beats } from "../rpc/beats.ts";
import { CallServer, goneSubject } from "../rpc/call-server.ts";
import { ownedId, randomId } from "../rpc/ids.ts";
import type { OperatorServer } from "../rpc/operator-server.ts";
import { JetStreamStore } from "../rpc/queue/jetstream-store.ts";
import { MemoryStore } from "../rpc/queue/memory-store.ts";
import type { RequestStore } from "../rpc/queue/request-store.ts";
import { Subjects } from "../rpc/subjects.ts";
import { inferCodecs } from "../tensor/mod.ts";
import { WorkerMetrics } from "./metrics.ts";
import { tracingOf } from "./tracing-of.ts";
import { type NodeFacts, nodeFacts, recordOf } from "./records.ts";
import { followDeclarations, serveOperators } from "./serve-operator.ts";
import type { JoinedSidecar } from "./session/join-sidecar.ts";
import type { Session } from "./session/session.ts";
import { serveStatus, type StatusServer } from "./status-server.ts";
import { ThreadBeats } from "./thread-beats.ts";
import { type ResolvedWorkerOptions, resolveOptions, type WorkerOptions } from "./worker-options.ts";
import { runtimeName } from "./runtime.ts";

/** How long a drained worker goes on serving tensors: of its last answers, callers are about to fetch them. */
const LINGER_MS = 2_000;

/**
 * A running worker. It serves from the moment {@linkcode startWorker} resolves; `drain` lets running requests end and takes no
 * new ones, `close` ends them.
 */
export class Worker implements AsyncDisposable {
  /** The instance's id: what answers call `instance`. */
  readonly instance: string;
  /** Its name in lists and logs. */
  readonly name: string;
  /** A client over the worker's own connection. */
  readonly client: Client;
  /** Where `/metrics` is, when asked for. */
  readonly metricsUrl: string | undefined;
  readonly #parts: WorkerParts;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.instance = parts.server.instance;
    this.name = parts.options.name;
    this.client = parts.client;
    this.metricsUrl = parts.status?.url;
  }

  /** Requests that run now. */
  get inflight(): number {
    return this.#parts.operators.reduce((sum, operator) => sum + operator.inflight, 0);
  }

  /** Takes no new requests, waits up to `drainMs` for running ones, then closes. Safe to call twice. */
  drain(options: { drainMs?: number } = {}): Promise<void> {
    return this.#closing ??= this.#stop(options.drainMs ?? this.#parts.options.drainMs);
  }

  /** Ends running requests with `unavailable`; queued ones go to other workers. */
  close(): Promise<void> {
    return this.drain({ drainMs: 0 });
  }

  /** The same as {@linkcode drain}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  async #stop(drainMs: number): Promise<void> {
    const { bus, server, store, operators, registration, served, client, status, metrics, ownsBus, logger } = this.#parts;
    const { sidecar } = this.#parts;
    logger.info("Draining", { running: server.running });
    const quietly = (work: Promise<unknown> | undefined) =>
      Promise.resolve(work).catch((error) => logger.debug("While stopping", { error: String(error) }));
    await quietly(registration.update({ draining: true }, { timeoutMs: 1_000 }));
    await Promise.all(operators.map((operator) => quietly(operator.stopTaking())));
    const until = performance.now() + drainMs;
    // What was held for a slot begins to run when another request ends.
    do await server.drain(Math.max(0, until - performance.now())); while (
      (server.running > 0 || operators.some(({ held }) => held > 0)) && performance.now() < until
    );
    await quietly(registration.close({ timeoutMs: 1_000 }));
    for (const operator of operators) operator.close();
    await quietly(store.close());
    await quietly(bus.flush());
    await quietly(server.beats.close());
    await quietly(served.close({ waitForReleaseMs: Math.min(LINGER_MS, until - performance.now()) }));
    await quietly(status?.close());
    metrics?.close();
    await quietly(client.close());
    await quietly(sidecar?.link.close());
    if (ownsBus) await quietly(bus.close());
  }
}

interface WorkerParts {
  readonly options: ResolvedWorkerOptions;
  readonly bus: Bus;
  readonly ownsBus: boolean;
  readonly server: CallServer;
  readonly store: RequestStore;
  readonly operators: readonly OperatorServer[];
  readonly registration: Registration;
  readonly served: ServedTensors;
  readonly sidecar: JoinedSidecar | undefined;
  readonly client: Client;
  readonly status: StatusServer | undefined;
  readonly metrics: WorkerMetrics | undefined;
  readonly logger: Logger;
}

/**
 * Connects, declares the operators' queues, and serves.
 *
 * @throws {ConnectError} `unavailable` when no broker answers in time, `permission_denied` when it does not let us serve
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const resolved = resolveOptions(options, process.env);
  const { namespace, logger = silentLogger, over, servers, name } = resolved;
  const bus = over?.bus ?? await connectBus(servers, { ...resolved, name });
  const opened: (() => Promise<unknown>)[] = over === undefined ? [() => bus.close()] : [];
  try {
    const instance = randomId();
    const subjects = new Subjects(namespace);
    const discovery = over?.discovery ?? new KvDiscovery(bus, { namespace, logger, inboxPrefix: resolved.inboxPrefix });
    const beats = await startBeats(resolved, bus, goneSubject(subjects, ownedId(bus.owner, instance)));
    const server = new CallServer(bus, { namespace, instance, beats, codecs: inferCodecs, logger });
    opened.push(() => server.beats.close());
    const store = bus.canStore ? new JetStreamStore(bus, subjects, instance, { logger }) : MemoryStore.over(bus, subjects);
    opened.push(() => store.close());
    const tracing = tracingOf(resolved.tracing);
    const metrics = resolved.metrics === false
      ? undefined
      : new WorkerMetrics({ worker: name, namespace }, () => served.store, resolved.metricsPort !== undefined);
    opened.push(() => Promise.resolve(metrics?.close()));
    const watched = { tracing, metrics: metrics?.calls };
    const link = new BusLink(bus, discovery, { namespace, logger, ownsBus: false });
    const client = new Client(link, { namespace, logger, component: instance, ...watched });
    opened.push(() => client.close());
    const served = await serveTensors(bus, namespace, client.data, { logger, ...resolved.tensors, node: instance });
    opened.push(() => served.close());
    const registered = Promise.withResolvers<Registration>();
    const sidecar = await joined(resolved, client, served, async (node) => {
      // A failed update goes with the next renewal.
      await (await registered.promise).update(node).catch(() => {});
    });
    if (sidecar !== undefined) opened.push(() => sidecar.link.close());
    const home = sidecar?.home;
    client.adoptStore(served, home && ((tensor, options) => home.put(tensor, options)));
    metrics?.add(sidecar?.metrics ?? []);
    const host = { client, store: home ?? served.store, home, logger, metrics, tracing };
    const operators = await serveOperators(resolved.operators, {
      discovery,
      server,
      store,
      host,
      ackWaitMs: resolved.ackWaitMs,
    });
    metrics?.watch(() => operators);
    void followDeclarations(discovery, operators, logger);
    await bus.flush();
    const status = resolved.metricsPort === undefined ? undefined : await serveStatus(metrics, bus, resolved.metricsPort);
    const record = recordOf({
      instance,
      name,
      runtime: runtimeName(),
      host: hostname(),
      pid: process.pid,
      operators: resolved.operators,
      ...nodeFacts(sidecar?.link.session ?? served),
    });
    const registration = await discovery.register(record);
    registered.resolve(registration);
    logger.info("Serving", { instance, operators: resolved.operators.map((operator) => operator.name), metrics: status?.url });
    return new Worker({
      options: resolved,
      bus,
      ownsBus: over === undefined,
      server,
      store,
      operators,
      registration,
      served,
      sidecar,
      client,
      status,
      metrics,
      logger,
    });
  } catch (error) {
    for (const close of opened.reverse()) await close().catch(() => {});
    throw error;
  }
}

/** Loaded only where there is one. */
async function joined(
  { sidecar, segmentBytes = 0, name, logger = silentLogger }: ResolvedWorkerOptions,
  client: Client,
  served: ServedTensors,
  onNode: (node: NodeFacts) => Promise<void>,
): Promise<JoinedSidecar | undefined> {
  if (sidecar === undefined) return undefined;
  const { joinSidecar } = await import("./session/join-sidecar.ts");
  const onChange = (session: Session | undefined) => void onNode(nodeFacts(session ?? served));
  const { data } = client;
  return await joinSidecar({ sidecar, segmentBytes, name, data, store: served.store, logger, onChange });
}

/** Beats come from a thread wherever the worker has a connection of its own to repeat. */
async function startBeats(options: ResolvedWorkerOptions, bus: Bus, gone: string): Promise<Beats | undefined> {
  if (options.over !== undefined) return undefined;
  const { logger = silentLogger, servers, stallMs } = options;
  return await ThreadBeats.start({ bus, servers, connection: options, goneSubject: gone, stallMs, logger });
}
