import type { DeploymentDefinition } from "./definition.ts";
import type { Deployment, StartDeploymentOptions } from "./deployment.ts";
import { planDeployment } from "./plan.ts";
import { Supervisor } from "./supervisor.ts";

/**
 * Starts a deployment: its broker, then its workers, and waits until discovery has all of them.
 *
 * @throws {ConnectError} `invalid_argument` when the definition cannot be used, `already_exists` when its name is taken,
 * `failed_precondition` when a port is taken or a worker keeps ending (with the end of its log), `deadline_exceeded` when it does not
 * serve in time, `canceled` when it was stopped meanwhile. Nothing runs after that.
 *
 * @example
 * ```ts
 * const deployment = await startDeployment(defineDeployment({ workers: [{ name: "encoder", file: "./encoder.ts" }] }));
 * const client = await connect(deployment.urls);
 * await client.close();
 * await deployment.stop();
 * ```
 */
export async function startDeployment(
  definition: DeploymentDefinition,
  options: StartDeploymentOptions = {},
): Promise<Deployment> {
  const supervisor = new Supervisor(await planDeployment(definition, options), options);
  await supervisor.start();
  return supervisor;
}
