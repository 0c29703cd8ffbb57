/**
 * Workers: define operators, serve them, on Bun, Deno and Node.
 *
 * - {@linkcode operator} defines what is served; it is the same as that of `waybill`.
 * - {@linkcode defineWorker} makes a file a worker: `bun run worker.ts`, `deno run -A worker.ts`, `node worker.ts`.
 * - {@linkcode startWorker} serves within a program of your own, which then drains and closes it.
 *
 * @example
 * ```ts
 * import { defineWorker, operator } from "waybill/worker";
 *
 * export default defineWorker({
 *   operators: [operator({ name: "double", execute: ({ inputs: { x } }) => ({ y: x.data.map((value) => value * 2) }) })],
 * });
 * ```
 *
 * @module
 */
export { defineWorker, isWorkerDefinition } from "./define-worker.ts";
export { operator } from "./operator.ts";
export { runWorker } from "./run-worker.ts";
export { startWorker } from "./worker.ts";
export { Tensor } from "../tensor/mod.ts";

export type { WorkerDefinition } from "./define-worker.ts";
export type { Delegation, OperatorContext } from "./context.ts";
export type { DelegateOptions } from "./delegate.ts";
export type {
  Answer,
  BatchOperatorOptions,
  ExecuteResult,
  Operator,
  OperatorCommon,
  OperatorOptions,
  OperatorRequest,
  OutputsOf,
  RemoteWhere,
  TensorOf,
  TensorsOf,
} from "./operator.ts";
export type { SizedDType } from "./tensor-home.ts";
export type { Worker } from "./worker.ts";
export type { WorkerOptions } from "./worker-options.ts";
