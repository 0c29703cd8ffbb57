/** One worker of the floor's queues: `echo` and the operators that only wait. Raw `nats`. Gives its journals on request. */
import { HOLDS } from "../lib/holds.ts";
import type { Execution } from "../lib/idle-slots.ts";
import { serveRequests } from "../lib/program.ts";
import { connectRaw } from "./connection.ts";
import { serveWorkQueue } from "./work-queue.ts";

const [url = "", slotsText = "1"] = process.argv.slice(2);
const nc = await connectRaw(url);
const journals = new Map<string, Execution[]>();
await serveWorkQueue(nc, { name: "echo", storage: "memory", slots: 64 });
for (const [name, holdMs] of Object.entries(HOLDS)) {
  const journal: Execution[] = [];
  journals.set(name, journal);
  await serveWorkQueue(nc, { name, storage: "memory", slots: Number(slotsText), holdMs, journal });
}
await nc.flush();
await serveRequests(({ journal }: { journal: string }) => ({ executions: journals.get(journal)?.splice(0) ?? [] }));
