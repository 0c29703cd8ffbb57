import type { DeploymentEvent } from "./events.ts";
import type { DeploymentStatus, WorkerStatus } from "./status.ts";

/** What may be told of an event to anybody: no logs, paths, or what workers are told. `undefined` for steps on the way. */
export function eventFacts(event: DeploymentEvent): Record<string, unknown> | undefined {
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
