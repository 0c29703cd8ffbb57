/**
 * Workers: define operators, serve them.
 *
 * @module
 */
export { defineWorker, isWorkerDefinition } from "./define-worker.ts";
export { Delegation, OperatorContext } from "./context.ts";
export { operator } from "./operator.ts";
export { runWorker } from "./run-worker.ts";
export { startWorker, Worker } from "./worker.ts";
export { Tensor } from "../tensor/mod.ts";

export type { WorkerDefinition } from "./define-worker.ts";
export type { DelegateOptions } from "./delegate.ts";
export type {
  BatchOperatorOptions,
  ExecuteResult,
  Operator,
  OperatorCommon,
  OperatorOptions,
  OperatorRequest,
  OutputsOf,
  TensorsOf,
} from "./operator.ts";
export type { WorkerOptions } from "./worker-options.ts";
