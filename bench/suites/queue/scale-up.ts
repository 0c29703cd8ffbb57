import { connect, infoOf } from "../../../mod.ts";
import { launchNatsServer } from "../../../src/testing/nats-server.ts";
import { Child, type Runtime } from "../../lib/child.ts";
import { type Case, makeCase, median } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";

const WAITING = 16;
const AT_MOST_SECONDS = 1;

/**
 * How long it takes from the start of a worker's process to its first answer, on each runtime: one worker is busy, requests wait,
 * another worker is added.
 */
export async function scaleUp(options: RunOptions): Promise<Findings> {
  const broker = await options.resources.start(launchNatsServer());
  const cases: Case[] = [];
  for (const runtime of ["bun", "node", "deno"] as const) {
    const seconds: number[] = [];
    // The first start on a machine reads and compiles what later ones find in caches.
    for (let round = 0; round <= (options.quick ? 1 : 5); round++) {
      const took = await options.resources.scope(async (resources) => {
        const client = await resources.start(connect(broker.tcpUrl, { namespace: "bench" }));
        const busy = resources.use(await Child.start(options.runtime, "bench/programs/queue-worker.ts", broker.tcpUrl));
        return await addWorker(client, runtime, broker.tcpUrl, resources).finally(() => busy[Symbol.asyncDispose]());
      });
      if (round > 0) seconds.push(took);
    }
    const demand = { on: "value", atMost: AT_MOST_SECONDS } as const;
    cases.push(
      makeCase(`a further ${runtime} worker, from its start to its first answer`, median(seconds), "s", undefined, demand),
    );
  }
  return { cases, charts: [] };
}

async function addWorker(
  client: Awaited<ReturnType<typeof connect>>,
  runtime: Runtime,
  url: string,
  resources: RunOptions["resources"],
): Promise<number> {
  const handle = client.operator("hold-20", { inline: true });
  const x = Uint8Array.of(1);
  const instances = new Set<string>();
  const first = Promise.withResolvers<number>();
  let started = Infinity;
  let stopped = false;
  const calling = Array.from({ length: WAITING }, async () => {
    while (!stopped) {
      const outputs = await handle.infer({ x });
      instances.add(infoOf(outputs)?.instance ?? "");
      if (instances.size > 1) first.resolve((performance.now() - started) / 1_000);
    }
  });
  for (const call of calling) call.catch((error) => first.reject(error));
  while (instances.size === 0) await handle.infer({ x });
  started = performance.now();

  const starting = resources.start(Child.start(runtime, "bench/programs/queue-worker.ts", url));
  starting.catch((error) => first.reject(error));
  try {
    return await first.promise;
  } finally {
    stopped = true;
    await starting;
    await Promise.all(calling);
  }
}
