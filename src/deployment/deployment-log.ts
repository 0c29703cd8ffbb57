import type { Logger } from "../bus/logger.ts";
import { eventFacts } from "./event-facts.ts";
import type { DeploymentEvent } from "./events.ts";
import { exitText } from "./exit.ts";

/**
 * Makes log records of what happens to a deployment, for programs that collect logs; {@linkcode deploymentPrinter} makes lines for people.
 *
 * @example
 * ```ts
 * await startDeployment(definition, { onEvent: deploymentLog(console) });
 * ```
 */
export function deploymentLog(logger: Logger): (event: DeploymentEvent) => void {
  return (event) => {
    const facts = { event: event.type, ...eventFacts(event) };
    switch (event.type) {
      case "note":
        return logger.debug(event.text, facts);
      case "worker-exited": {
        const { worker, exit, log } = event;
        return logger.error(`Worker ${worker.name} ended with ${exitText(exit)}`, { ...facts, log, logFile: worker.logFile });
      }
      case "broker-exited":
        return logger.error(`The broker ended with ${exitText(event.exit)}`, { ...facts, log: event.log });
      case "worker-lost":
        return logger.warn(`Worker ${event.worker.name} has lost its lease`, facts);
      case "stopped":
        return logger.info(text(event), { ...facts, exitCode: event.exitCode });
      default:
        return logger.info(text(event), facts);
    }
  };
}

function text(event: DeploymentEvent): string {
  if ("worker" in event) return `Worker ${event.worker.name}: ${event.type.slice("worker-".length)}`;
  if (event.type === "changing" || event.type === "changed") return `${event.type}: ${event.change.command}`;
  return event.type === "broker-restarted" ? "The broker was restarted" : `The deployment: ${event.type}`;
}
