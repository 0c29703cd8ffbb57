import { examineBroker, examineBrokerBinary, examinePorts } from "./broker.ts";
import type { Finding } from "./finding.ts";
import { examineTriton, examineUcx } from "./libraries.ts";
import { examineGpu, examineOpenFiles, examineSharedMemory } from "./machine.ts";
import { examineRuntimes } from "./runtimes.ts";

/** Looks at everything that Waybill can use on this machine. */
export async function examine(): Promise<Finding[]> {
  const broker = examineBroker();
  const findings = await Promise.all([
    examineRuntimes(),
    examineBrokerBinary(),
    broker,
    broker.then(({ state }) => examinePorts(state !== "missing")),
    examineUcx(),
    examineTriton(),
    examineGpu(),
    examineSharedMemory(),
    examineOpenFiles(),
  ]);
  return findings.flat();
}
