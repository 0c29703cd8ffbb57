import { Code } from "@connectrpc/connect";
import type { Client } from "../../client/client.ts";
import { fault } from "../../rpc/error.ts";
import { serveStatus } from "../../worker/status-server.ts";
import type { DeploymentStatus } from "../status.ts";
import { DeploymentMetrics } from "./deployment-metrics.ts";

/** Where a deployment's own `/metrics` shall be. */
export interface MetricsPlace {
  readonly port: number;
  /** Whether another port will do where that one is taken. */
  readonly orAny: boolean;
}

/** A deployment's own `/metrics`. */
export interface ServedMetrics {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves a deployment's metrics on the loopback address.
 *
 * @throws {ConnectError} `failed_precondition` when the port is taken
 */
export async function serveMetrics(
  client: Client,
  status: () => DeploymentStatus,
  { port, orAny }: MetricsPlace,
): Promise<ServedMetrics> {
  const metrics = new DeploymentMetrics(client, status);
  try {
    const listen = (at: number) => serveStatus(metrics, client.bus, at);
    const server = await listen(port).catch((error) => orAny ? listen(0) : Promise.reject(error));
    const close = async () => {
      metrics.close();
      await server.close();
    };
    return { url: server.url, close };
  } catch (cause) {
    metrics.close();
    const text = `Cannot serve the deployment's metrics: metricsPort ${port} must be free: ${(cause as Error).message}`;
    throw fault(text, Code.FailedPrecondition, {}, cause);
  }
}
