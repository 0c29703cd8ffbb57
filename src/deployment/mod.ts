/**
 * Deployments on one machine: a broker and workers of any runtime, started, watched and stopped together.
 *
 * @module
 */
export { defineDeployment, isDeploymentDefinition } from "./definition.ts";
export { changeRunning, findRunning, runningDeployments, stopRunning } from "./control/running.ts";
export { clientsOfRunning } from "./control/clients.ts";
export { deadLettersOf, deadRequestOf } from "./dead-letters.ts";
export { deploymentLog } from "./deployment-log.ts";
export { deploymentPrinter } from "./printer.ts";
export { runDeployment } from "./run-deployment.ts";
export { startDeployment } from "./start-deployment.ts";

export type { DeadInput, DeadRequest } from "./dead-letters.ts";
export type {
  DeadLetter,
  DeadLetterOptions,
  DeadLetters,
  ListDeadLettersOptions,
  RetryDeadLetterOptions,
} from "../rpc/queue/dead-letters.ts";
export type { DeploymentBroker, DeploymentClient } from "./definition-broker.ts";
export type { DeploymentSidecar } from "./definition-sidecar.ts";
export type {
  DeploymentDefinition,
  DeploymentOptions,
  DeploymentWorker,
  LogLevel,
  RestartPolicy,
  WorkerRuntime,
} from "./definition.ts";
export type {
  ChangeOptions,
  ChangeProgress,
  ChangeResult,
  ComponentDifference,
  DeploymentChange,
  ReplaceOptions,
  ReplaceOrder,
} from "./changes.ts";
export type { ApplyOptions, Deployment, StartDeploymentOptions, StopDeploymentOptions } from "./deployment.ts";
export type { RunningClient } from "./control/clients.ts";
export type { ControlRecord } from "./control/messages.ts";
export type { ChangeRunningOptions, RunningDeployment, RunningOptions, StopRunningOptions } from "./control/running.ts";
export type { DeploymentEvent } from "./events.ts";
export type { ProcessExit } from "./exit.ts";
export type { DeploymentOverrides } from "./plan.ts";
export type { DeploymentPrinterOptions } from "./printer.ts";
export type {
  BrokerStatus,
  ComponentHealth,
  ComponentStatus,
  DeploymentState,
  DeploymentStatus,
  WorkerState,
  WorkerStatus,
} from "./status.ts";
