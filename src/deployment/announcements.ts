import { type Logger, silentLogger } from "../bus/logger.ts";
import type { Client } from "../client/client.ts";
import { Events } from "../events/events.ts";
import { eventFacts } from "./event-facts.ts";
import type { DeploymentEvent } from "./events.ts";

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
    const told = eventFacts(event);
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
