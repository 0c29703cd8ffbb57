import { type Logger, silentLogger } from "../bus/logger.ts";
import type { Client } from "../client/client.ts";
import { Events } from "../events/events.ts";
import type { DeploymentEvent } from "./events.ts";
import type { DeploymentStatus, WorkerStatus } from "./status.ts";

/** Who the events of deployments are from. */
const COMPONENT = "supervisor";

/**
 * Tells everybody on the bus what happens to a deployment: its events with their type, on the topic `deployment.<name>`, those of a
 * worker on `deployment.<name>.<worker>`. What is not everybody's business is left out: logs, paths, and what workers are told.
 */
export class Announcements {
  readonly #events: Events;
  readonly #deployment: string;
  readonly #logger: Logger;

  constructor({ bus, caller: { subjects } }: Client, deployment: string, logger: Logger = silentLogger) {
    this.#events = new Events({ bus, subjects, component: COMPONENT, logger });
    this.#deployment = deployment;
    this.#logger = logger;
  }

  /** Publishes an event, and waits for nothing: what a deployment does never depends on who listens. */
  announce(event: DeploymentEvent): void {
    const told = toldOf(event);
    if (told === undefined) return;
    const topic = ["deployment", this.#deployment, ..."worker" in event ? [event.worker.name] : []];
    this.#events.publish(topic, told, { type: event.type }).catch((error) => {
      this.#logger.debug("Cannot publish an event of the deployment", { type: event.type, error: String(error) });
    });
  }

  /** Stops publishing. The client stays open. */
  close(): void {
    this.#events.close();
  }
}

function toldOf(event: DeploymentEvent): Record<string, unknown> | undefined {
  if ("deployment" in event) return { deployment: deploymentOf(event.deployment) };
  switch (event.type) {
    case "worker-starting":
    case "worker-ready":
    case "worker-lost":
    case "worker-stopping":
      return { worker: workerOf(event.worker) };
    case "worker-exited": {
      const { exit, inARow, restartInMs } = event;
      return { worker: workerOf(event.worker), exit, inARow, restartInMs };
    }
    case "worker-stopped":
      return { worker: workerOf(event.worker), exit: event.exit };
    case "broker-exited":
      return { exit: event.exit, restartInMs: event.restartInMs };
    case "broker-restarted":
      return { pid: event.pid };
    case "changing":
      return { command: event.change.command };
    case "changed":
      return {
        command: event.change.command,
        components: event.result.components.map(({ name, count, ready, health }) => ({ name, count, ready, health })),
      };
    default:
      return undefined;
  }
}

function workerOf({ name, instance, pid, runtime, state, restarts, operators }: WorkerStatus): Record<string, unknown> {
  return { name, instance, pid, runtime, state, restarts, operators };
}

function deploymentOf({ name, namespace, state, workers }: DeploymentStatus): Record<string, unknown> {
  return { name, namespace, state, workers: workers.map(workerOf) };
}
