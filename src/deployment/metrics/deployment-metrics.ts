import { collectDefaultMetrics, type Registry } from "prom-client";
import type { Client } from "../../client/client.ts";
import { watchEventLoop } from "../../telemetry/metrics/event-loop-lag-node.ts";
import { addMetric, type MetricsPage, newRegistry, pageOf, type Sample } from "../../telemetry/metrics/registry.ts";
import type { DeploymentStatus, WorkerState } from "../status.ts";
import { type ConsumerState, type QueueState, readQueues } from "./queue-state.ts";

/** What was read is shown for this long: several scrapers cost the broker no more than one. */
const FRESH_MS = 1_000;
/** Operators that are shown; whoever may declare could make any number. */
const MAX_OPERATORS = 1_000;

/** As a record, so that a state that is added cannot be left out. */
const states = Object.keys(
  {
    "starting": true,
    "ready": true,
    "lost": true,
    "restarting": true,
    "crash-looping": true,
    "failed": true,
    "draining": true,
    "stopped": true,
  } satisfies Record<WorkerState, true>,
);

/** What the broker and discovery say of the operators. */
interface Seen {
  readonly queues: readonly QueueState[];
  readonly instances: ReadonlyMap<string, number>;
  /** Whether the broker has answered. */
  readonly answered: boolean;
}

/** Prometheus metrics of a deployment: its queues, its workers, its broker, and the supervisor's process. */
export class DeploymentMetrics {
  readonly #registry: Registry;
  readonly #client: Client;
  readonly #lag: { close(): void };
  #seen: Promise<Seen> | undefined;
  #seenAt = -Infinity;

  /** @param client its rights must cover reading the queues' streams */
  constructor(client: Client, status: () => DeploymentStatus) {
    this.#client = client;
    this.#registry = newRegistry({ namespace: client.namespace });
    collectDefaultMetrics({ register: this.#registry });
    this.#lag = watchEventLoop(this.#registry);
    this.#addQueues();
    this.#addParts(status);
  }

  /** The page that Prometheus reads. */
  page(): Promise<MetricsPage> {
    return pageOf(this.#registry);
  }

  /** Stops watching. */
  close(): void {
    this.#lag.close();
  }

  #addQueues(): void {
    const queue = (name: string, help: string, value: (queue: QueueState) => number) =>
      this.#add(
        name,
        help,
        ({ queues }) => queues.map((state) => ({ labels: { operator: state.operator }, value: value(state) })),
      );
    const consumer = (name: string, help: string, value: (consumer: ConsumerState) => number) =>
      this.#add(name, help, ({ queues }) =>
        queues.flatMap(({ operator, consumers }) =>
          consumers.map((state) => {
            const { version, priority } = state;
            return { labels: { operator, version, priority }, value: value(state) };
          })
        ));
    queue("waybill_queue_messages", "Requests that are stored, running ones too, by operator", (it) => it.messages);
    queue("waybill_queue_bytes", "Bytes of stored requests, by operator", (it) => it.bytes);
    queue("waybill_queue_oldest_seconds", "How long the oldest request is stored, by operator", (it) => it.oldestSeconds);
    queue("waybill_dead_letters", "Requests that were given up and are kept, by operator", (it) => it.deadLetters);
    consumer("waybill_queue_pending", "Requests that no worker has, by operator, version and priority", (it) => it.pending);
    consumer(
      "waybill_queue_unacknowledged",
      "Requests that a worker has and has not answered, by operator, version and priority",
      (it) => it.unacknowledged,
    );
    consumer(
      "waybill_queue_redelivered",
      "Of these, those that another worker had before, by operator, version and priority",
      (it) => it.redelivered,
    );
    consumer(
      "waybill_queue_waiting_pulls",
      "Pulls of workers that wait for a request, by operator, version and priority",
      (it) => it.waitingPulls,
    );
    this.#add(
      "waybill_operator_instances",
      "Instances that serve, by operator",
      ({ instances }) => [...instances].map(([operator, value]) => ({ labels: { operator }, value })),
    );
    this.#add("waybill_broker_up", "Whether the broker answers what is asked about its queues", ({ answered }) => [
      { labels: {}, value: answered ? 1 : 0 },
    ]);
  }

  #addParts(status: () => DeploymentStatus): void {
    addMetric(this.#registry, {
      name: "waybill_workers",
      help: "Workers of the deployment, by component and state",
      type: "gauge",
      samples: () => {
        const { components, workers } = status();
        return components.flatMap(({ name: component }) => {
          const own = workers.filter((worker) => worker.component === component);
          return states.map((state) => ({
            labels: { component, state },
            value: own.filter((worker) => worker.state === state).length,
          }));
        });
      },
    });
    addMetric(this.#registry, {
      name: "waybill_worker_up",
      help: "Whether a worker serves",
      type: "gauge",
      samples: () =>
        status().workers.map(({ name, state }) => ({ labels: { worker: name }, value: state === "ready" ? 1 : 0 })),
    });
    addMetric(this.#registry, {
      name: "waybill_worker_restarts_total",
      help: "How often a worker was started again",
      type: "counter",
      samples: () => status().workers.map(({ name, restarts }) => ({ labels: { worker: name }, value: restarts })),
    });
    addMetric(this.#registry, {
      name: "waybill_broker_restarts_total",
      help: "How often the deployment's own broker was started again",
      type: "counter",
      samples: () => [{ labels: {}, value: status().broker?.restarts ?? 0 }],
    });
  }

  #add(name: string, help: string, samples: (seen: Seen) => Sample[]): void {
    addMetric(this.#registry, { name, help, type: "gauge", samples: async () => samples(await this.#look()) });
  }

  #look(): Promise<Seen> {
    const now = performance.now();
    if (this.#seen === undefined || now - this.#seenAt > FRESH_MS) {
      this.#seenAt = now;
      // What the broker does not tell is left out; that it does not is a metric too.
      this.#seen = this.#read().catch(() => ({ queues: [], instances: new Map(), answered: false }));
    }
    return this.#seen;
  }

  async #read(): Promise<Seen> {
    const { bus, discovery, caller } = this.#client;
    if (!bus.connected) return { queues: [], instances: new Map(), answered: false };
    const [declared, records] = await Promise.all([
      discovery.declarations({ timeoutMs: 3_000 }),
      discovery.instances({}, { timeoutMs: 3_000 }),
    ]);
    const declarations = declared.slice(0, MAX_OPERATORS);
    const instances = new Map(declarations.map(({ name }) => [name, 0]));
    for (const { operators } of records) {
      for (const name of new Set(operators.map((operator) => operator.name))) {
        const count = instances.get(name);
        if (count !== undefined) instances.set(name, count + 1);
      }
    }
    return { queues: await readQueues(bus, caller.subjects, declarations), instances, answered: true };
  }
}
