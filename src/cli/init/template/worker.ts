import { defineWorker, type WorkerDefinition } from "waybill/worker";
import { brighten } from "./operators.ts";

const worker: WorkerDefinition = defineWorker({ operators: [brighten] });
export default worker;
