import { examineBroker, examineBrokerBinary, examinePorts } from "./broker.ts";
import type { Finding } from "./finding.ts";
import { examineGpu } from "./gpu.ts";
import { examineTriton } from "./libraries.ts";
import { examineOpenFiles, examineSharedMemory } from "./machine.ts";
import { examineAddon, examineUcx } from "./native.ts";
import { examineRuntimes } from "./runtimes.ts";

/** Looks at everything that Waybill can use on this machine. */
export async function examine(): Promise<Finding[]> {
  const broker = examineBroker();
  const findings = await Promise.all([
    examineRuntimes(),
    examineBrokerBinary(),
    broker,
    broker.then(({ state }) => examinePorts(state !== "missing")),
    examineAddon(),
    examineUcx(),
    examineTriton(),
    examineGpu(),
    examineSharedMemory(),
    examineOpenFiles(),
  ]);
  return findings.flat();
}
