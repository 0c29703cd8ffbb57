import { fileURLToPath } from "node:url";
import process from "node:process";
import { type Client, connect, infoOf } from "../../../mod.ts";
import { defineDeployment, type Deployment, startDeployment } from "../../../src/deployment/mod.ts";
import type { Runtime } from "../../lib/child.ts";
import { type Case, makeCase, median } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";
import { temporaryFolder } from "../../lib/temporary.ts";

const WORKER = fileURLToPath(new URL("../../programs/scaled-worker.ts", import.meta.url));
const NAMESPACE = "bench";
const WAITING = 16;
const AT_MOST_SECONDS = 1;

/** From `deployment.scale("w", 2)` to the first answer of the new worker, on each runtime, while requests wait for the first one. */
export async function scaleUp(options: RunOptions): Promise<Findings> {
  const cases: Case[] = [];
  for (const runtime of ["bun", "node", "deno"] as const) {
    const seconds = await options.resources.scope(async (resources) => {
      const deployment = await resources.start(startDeployment(definition(runtime, await temporaryFolder(resources))));
      const client = await resources.start(connect(deployment.clientUrls()[0]!, { namespace: NAMESPACE }));
      const found: number[] = [];
      // The first start reads and compiles what later ones find in caches.
      for (let round = 0; round <= (options.quick ? 1 : 5); round++) {
        const took = await firstAnswer(client, deployment);
        if (round > 0) found.push(took);
        await deployment.scale("w", 1);
      }
      return found;
    });
    const demand = { on: "value", atMost: AT_MOST_SECONDS } as const;
    cases.push(
      makeCase(`a further ${runtime} worker, from "scale" to its first answer`, median(seconds), "s", undefined, demand),
      makeCase("  the slowest", Math.max(...seconds), "s"),
    );
  }
  return { cases, charts: [] };
}

function definition(runtime: Runtime, logDir: string) {
  return defineDeployment({
    name: `bench-${process.pid}`,
    namespace: NAMESPACE,
    broker: { port: 0, websocketPort: 0 },
    workers: [{ name: "w", file: WORKER, runtime, count: 1 }],
    startingMetricsPort: 0,
    logDir,
  });
}

async function firstAnswer(client: Client, deployment: Deployment): Promise<number> {
  const handle = client.operator("hold-20", { inline: true });
  const x = Uint8Array.of(1);
  const old = infoOf(await handle.infer({ x }))?.instance;
  const first = Promise.withResolvers<number>();
  let stopped = false;
  const calling = Array.from({ length: WAITING }, async () => {
    while (!stopped) {
      const { instance } = infoOf(await handle.infer({ x })) ?? {};
      if (instance !== old) first.resolve(performance.now());
    }
  });
  for (const call of calling) call.catch(first.reject);
  const startedAt = performance.now();
  const scaling = deployment.scale("w", 2);
  scaling.catch(first.reject);
  try {
    return (await first.promise - startedAt) / 1_000;
  } finally {
    stopped = true;
    await Promise.all([scaling, ...calling]);
  }
}
