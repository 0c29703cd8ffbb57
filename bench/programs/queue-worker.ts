/** One worker with `echo` and the operators that only wait. Gives its journals on request. */
import process from "node:process";
import { operator, startWorker } from "../../src/worker/mod.ts";
import { wallMs } from "../lib/clock.ts";
import { HOLDS } from "../lib/holds.ts";
import type { Execution } from "../lib/idle-slots.ts";
import { serveRequests } from "../lib/program.ts";

const [url = "", slots = "1"] = process.argv.slice(2);
const journals = new Map<string, Execution[]>();
const tensors = { inputs: { x: { dtype: "UINT8", shape: [-1] } }, outputs: { y: { dtype: "UINT8", shape: [-1] } } } as const;

const holds = Object.entries(HOLDS).map(([name, holdMs]) => {
  const journal: Execution[] = [];
  journals.set(name, journal);
  return operator({
    ...tensors,
    name,
    maxInflight: Number(slots),
    execute: async ({ inputs: { x } }) => {
      const startedAt = wallMs();
      await new Promise((resolve) => setTimeout(resolve, holdMs()));
      journal.push([startedAt, wallMs()]);
      return { y: x };
    },
  });
});
const echo = operator({ ...tensors, name: "echo", maxInflight: 64, execute: ({ inputs: { x } }) => ({ y: x }) });
await startWorker({ servers: url, namespace: "bench", operators: [echo, ...holds] });
await serveRequests(({ journal }: { journal: string }) => ({ executions: journals.get(journal)?.splice(0) ?? [] }));
