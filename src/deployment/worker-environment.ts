import { join } from "node:path";
import process from "node:process";
import type { Login } from "../bus/credentials.ts";
import { cacheDirectory } from "../obtain/cache.ts";
import type { WorkerPlan } from "./component-plan.ts";
import type { DeploymentPlan } from "./plan.ts";

/**
 * What a worker's process is told; `src/worker/worker-options.ts` reads it. A worker file's own options go before it.
 *
 * @param servers with credentials, where they are in the URLs
 * @param login who to be at the deployment's own broker
 * @param sidecar the address of its node's sidecar
 */
export function workerEnvironment(
  plan: DeploymentPlan,
  worker: WorkerPlan,
  servers: readonly string[],
  login?: Login,
  sidecar?: string,
): Record<string, string | undefined> {
  return {
    ...process.env,
    // Node would strip and compile a worker's modules at each of its starts: half of the time until it serves.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(cacheDirectory(process.env), "node-compile-cache"),
    WAYBILL_URL: servers.join(","),
    WAYBILL_NAMESPACE: plan.namespace,
    WAYBILL_NAME: worker.name,
    WAYBILL_TOKEN: plan.token,
    // At a broker that is there already, those of the supervisor's own environment.
    ...(plan.broker === undefined ? {} : { WAYBILL_USER: login?.user, WAYBILL_PASSWORD: login?.password }),
    WAYBILL_METRICS_PORT: worker.metricsPort === undefined ? undefined : String(worker.metricsPort),
    WAYBILL_LOG_LEVEL: plan.logLevel,
    WAYBILL_ACK_WAIT_MS: plan.ackWaitMs === undefined ? undefined : String(plan.ackWaitMs),
    WAYBILL_DRAIN_MS: String(plan.drainMs),
    WAYBILL_OPERATORS: worker.operators === undefined ? undefined : JSON.stringify(worker.operators),
    WAYBILL_SIDECAR: sidecar,
    ...worker.env,
  };
}
