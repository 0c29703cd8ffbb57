import { pathToFileURL } from "node:url";
import process from "node:process";
import { runWorker } from "./run-worker.ts";
import type { WorkerOptions } from "./worker-options.ts";

const BRAND = Symbol.for("waybill.worker-definition");

/** A worker that a file defines: its default export. */
export interface WorkerDefinition {
  /** What it serves, and how. */
  readonly options: WorkerOptions;
}

/**
 * Defines the worker of a file. As the file's default export it runs when the file is the program (`bun run worker.ts`,
 * `deno run -A worker.ts`, `node worker.ts`), or is given to `waybill worker` or a deployment; importing the file alone does
 * not start it.
 *
 * @example
 * ```ts
 * export default defineWorker({ operators: [double] });
 * ```
 */
export function defineWorker(options: WorkerOptions): WorkerDefinition {
  const definition: WorkerDefinition = Object.defineProperty({ options }, BRAND, { value: true });
  const main = process.argv[1];
  // The program's own module is in the cache by the time that this resolves: it tells whether it exports this worker.
  if (main !== undefined) {
    setImmediate(async () => {
      const program = await import(pathToFileURL(main).href).catch(() => undefined) as { default?: unknown } | undefined;
      if (program?.default === definition) await runWorker(options);
    });
  }
  return definition;
}

/** Whether a module's default export is a worker. */
export function isWorkerDefinition(value: unknown): value is WorkerDefinition {
  return typeof value === "object" && value !== null && BRAND in value;
}
