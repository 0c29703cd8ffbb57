import process from "node:process";
import type { DeploymentDefinition } from "./definition.ts";
import type { StartDeploymentOptions } from "./deployment.ts";
import { planDeployment } from "./plan.ts";
import { deploymentPrinter } from "./printer.ts";
import { Supervisor } from "./supervisor.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs a deployment as this program: prints what happens, until a signal or `waybill down` stops it. The first signal drains, the second
 * ends everything at once.
 *
 * @returns the exit code of the deployment
 * @throws {ConnectError} as {@linkcode startDeployment}
 *
 * @example
 * ```ts
 * process.exit(await runDeployment(defineDeployment({ workers: [{ name: "encoder", file: "./encoder.ts" }] })));
 * ```
 */
export async function runDeployment(definition: DeploymentDefinition, options: StartDeploymentOptions = {}): Promise<number> {
  const plan = await planDeployment(definition, options);
  const supervisor = new Supervisor(plan, { onEvent: deploymentPrinter(), ...options });
  let signalled = 0;
  const onSignal = () => {
    // The third is from someone who has lost patience; the guard then ends what is left.
    if (++signalled > 2) process.exit(130);
    void supervisor.stop(signalled === 1 ? {} : { drainMs: 0 });
  };
  for (const signal of signals) process.on(signal, onSignal);
  try {
    await supervisor.start().catch((error) => {
      if (signalled === 0) throw error;
    });
    return await supervisor.stopped;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}
