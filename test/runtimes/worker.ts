// The worker whose operators the behaviours call: a program of its own, as a user's worker is.
import { defineWorker, type WorkerDefinition } from "../../src/worker/mod.ts";
import { operators } from "./operators.ts";

const { ALLOWED_ORIGIN: origin } = process.env;

const worker: WorkerDefinition = defineWorker({
  tensors: origin === undefined ? undefined : { allowedOrigins: [origin] },
  operators,
});
export default worker;
