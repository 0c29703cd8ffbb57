import { createServer } from "node:net";
import { Code } from "@connectrpc/connect";
import { fault } from "../rpc/error.ts";
import type { DeploymentPlan } from "./plan.ts";

/** Whether nobody listens on a port of this machine. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * Looks whether the ports of a deployment are free, so that a taken one is told by name before anything runs.
 *
 * @throws {ConnectError} `failed_precondition` naming port and field
 */
export async function checkPorts(plan: DeploymentPlan): Promise<void> {
  const { broker, workers, where } = plan;
  const wanted: { port: number; use: string; field: string }[] = [];
  if (broker !== undefined) {
    wanted.push({ port: broker.port, use: "the broker", field: "broker.port (--port)" });
    if (broker.websocketPort !== false) {
      wanted.push({
        port: broker.websocketPort,
        use: "the broker's websocket",
        field: "broker.websocketPort (--websocket-port)",
      });
    }
  }
  for (const { metricsPort = 0, name } of workers) {
    wanted.push({ port: metricsPort, use: `the metrics of ${name}`, field: "startingMetricsPort (--starting-metrics-port)" });
  }
  const fixed = wanted.filter(({ port }) => port !== 0);
  for (const [index, { port, use, field }] of fixed.entries()) {
    const first = fixed.slice(0, index).find((other) => other.port === port);
    if (first === undefined) continue;
    const text = `port ${port} is wanted for ${first.use} and for ${use}; set ${first.field} or ${field}`;
    throw fault(`Cannot start the deployment ${where}: ${text}`, Code.FailedPrecondition);
  }
  const free = await Promise.all(fixed.map(({ port }) => isFree(port)));
  const taken = fixed[free.indexOf(false)];
  if (taken === undefined) return;
  const { port, use, field } = taken;
  const advice = `stop what has it ("waybill ps" lists deployments), or set ${field}`;
  throw fault(`Cannot start the deployment ${where}: port ${port}, for ${use}, is taken; ${advice}`, Code.FailedPrecondition);
}
