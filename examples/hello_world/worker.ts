/**
 * Serves the operators of the hello world: `npm run worker` in a clone, or one of them where a deployment says which. The
 * environment sets them up: `HELLO_DELAY` (seconds for each element of an output), `HELLO_INPUT_COPIES`, `HELLO_MAX_INFLIGHT`,
 * `HELLO_INSTANCES` (requests worked on at once) and `HELLO_KIND` (`CPU` or `GPU`).
 *
 * @module
 */
import process from "node:process";
import { defineWorker, type WorkerDefinition } from "../../src/worker/mod.ts";
import { operatorOf, OPERATORS } from "./operators/mod.ts";
import { settingsFrom } from "./support/worker-env.ts";

const settings = settingsFrom(process.env);

const worker: WorkerDefinition = defineWorker({ operators: OPERATORS.map((name) => operatorOf(name, settings)) });
export default worker;
