/**
 * Deployments on one machine: a broker and workers of any runtime, started, watched and stopped together.
 *
 * @module
 */
export { defineDeployment, isDeploymentDefinition } from "./definition.ts";
export { startDeployment } from "./deployment.ts";

export type { DeploymentBroker } from "./definition-broker.ts";
export type {
  DeploymentDefinition,
  DeploymentOptions,
  DeploymentWorker,
  LogLevel,
  RestartPolicy,
  WorkerRuntime,
} from "./definition.ts";
export type { Deployment, StartDeploymentOptions, StopDeploymentOptions } from "./deployment.ts";
export type { DeploymentEvent } from "./events.ts";
export type { ProcessExit } from "./exit.ts";
export type { DeploymentOverrides } from "./plan.ts";
export type { BrokerStatus, DeploymentState, DeploymentStatus, WorkerState, WorkerStatus } from "./status.ts";
