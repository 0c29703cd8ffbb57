import process from "node:process";
import { Code, ConnectError } from "@connectrpc/connect";
import { isWorkerDefinition, type WorkerOptions } from "../../worker/mod.ts";
import { programLogger } from "../../worker/program-logger.ts";
import { logLevel, port } from "../flags.ts";
import { loadDefault } from "../load-default.ts";
import { loadOperators } from "./load-operators.ts";
import { operatorFlags } from "./operator-flag.ts";

/** The flags of `waybill worker`, as they were written. */
export interface WorkerFlags {
  readonly file?: string;
  readonly name?: string;
  readonly url?: string;
  readonly namespace?: string;
  readonly "metrics-port"?: string;
  readonly "log-level"?: string;
}

/**
 * What a worker is told by its file and its flags; what the flags say goes before.
 *
 * @throws {ConnectError} naming the flag, the value seen and the value wanted
 */
export async function workerOptions(flags: WorkerFlags, rawArgs: readonly string[]): Promise<WorkerOptions> {
  const operators = operatorFlags(rawArgs);
  const level = logLevel("--log-level", flags["log-level"]);
  const metricsPort = port("--metrics-port", flags["metrics-port"]);
  if (flags.file === undefined && operators.length === 0) {
    const text = "Cannot run this: a worker must have a file or an --operator NAME,module=FILE, got neither";
    throw new ConnectError(text, Code.InvalidArgument);
  }
  const kind = { what: "worker", maker: "defineWorker", is: isWorkerDefinition };
  const { options } = flags.file === undefined ? { options: { operators: [] } } : (await loadDefault(flags.file, kind)).value;
  const own: Partial<WorkerOptions> = options;
  const logger = level === undefined ? own.logger : programLogger({ ...process.env, WAYBILL_LOG_LEVEL: level });
  return {
    ...options,
    operators: [...options.operators, ...await loadOperators(operators)],
    name: flags.name ?? own.name,
    servers: flags.url?.split(",") ?? own.servers,
    namespace: flags.namespace ?? own.namespace,
    metricsPort: metricsPort ?? own.metricsPort,
    logger,
  };
}
