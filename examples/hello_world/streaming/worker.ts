/**
 * Serves the streaming operator of the hello world.
 *
 * @module
 */
import { defineWorker, type WorkerDefinition } from "../../../src/worker/mod.ts";
import { speller } from "./speller.ts";

const worker: WorkerDefinition = defineWorker({ operators: [speller()] });
export default worker;
