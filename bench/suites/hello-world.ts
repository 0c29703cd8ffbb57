import { fileURLToPath } from "node:url";
import { defineDeployment, startDeployment } from "../../src/deployment/mod.ts";
import { Child, type Runtime } from "../lib/child.ts";
import { type Case, makeCase, median } from "../lib/report.ts";
import type { Resources } from "../lib/resources.ts";
import type { RunOptions } from "../lib/suite.ts";
import { temporaryFolder } from "../lib/temporary.ts";

const WORKER = fileURLToPath(new URL("../../examples/hello_world/worker.ts", import.meta.url));
const ELEMENTS_BYTES = 8_000;

/**
 * The hello world as its users run it: encoder, decoder and encoder_decoder in a process each, 1,000 elements a request. Its
 * peer is the original in Python, which was measured with the same flags on a machine of this kind: 5.4 requests/s, or 38 with
 * its best options by reference and 51 inline.
 */
export async function helloWorld({ rounds, resources }: RunOptions): Promise<Case[]> {
  const cases: Case[] = [];
  const calls = rounds > 1 ? 2_000 : 200;
  for (const runtime of ["bun", "node"] as const) {
    const demanded = runtime === "bun";
    await withDeployment(resources, runtime, 1, async (url) => {
      const client = await Child.start(resources, runtime, "bench/programs/hello-client.ts", url);
      try {
        for (const [target, atLeast] of [["reference", 300], ["inline", 600]] as const) {
          const rates: number[] = [];
          for (let round = 0; round < Math.min(rounds, 3); round++) {
            rates.push((await client.run({ target, payloadBytes: ELEMENTS_BYTES, inflight: 1, calls })).perSecond);
          }
          const name = `${runtime}, by ${target === "inline" ? "message" : target}, default flags`;
          cases.push(makeCase(name, median(rates), "requests/s", undefined, demanded ? { on: "value", atLeast } : undefined));
        }
      } finally {
        await client[Symbol.asyncDispose]();
      }
    });
    await withDeployment(resources, runtime, 64, async (url) => {
      const clients = await Promise.all(
        Array.from({ length: 4 }, () => Child.start(resources, runtime, "bench/programs/hello-client.ts", url)),
      );
      try {
        const load = { target: "inline", payloadBytes: ELEMENTS_BYTES, inflight: 16, seconds: rounds > 1 ? 5 : 1 };
        const measured = await Promise.all(clients.map((client) => client.run(load)));
        const rate = measured.reduce((sum, { perSecond }) => sum + perSecond, 0);
        const name = `${runtime}, by message, 4 clients, 16 in flight each`;
        const demand = demanded ? { on: "value", atLeast: 2_000 } as const : undefined;
        cases.push(makeCase(name, rate, "requests/s", undefined, demand));
      } finally {
        await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
      }
    });
  }
  return cases;
}

async function withDeployment(
  resources: Resources,
  runtime: Runtime,
  inflight: number,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const worker = (name: string) => ({
    name,
    file: WORKER,
    runtime,
    operators: [name],
    env: { HELLO_MAX_INFLIGHT: String(inflight), HELLO_INSTANCES: String(inflight), HELLO_INPUT_COPIES: "1" },
  });
  await resources.scope(async (resources) => {
    const definition = defineDeployment({
      name: `bench-${process.pid}`,
      broker: { port: 0, websocketPort: 0 },
      workers: ["encoder", "decoder", "encoder_decoder"].map(worker),
      startingMetricsPort: 0,
      logDir: await temporaryFolder(resources),
    });
    const deployment = await resources.start(startDeployment(definition));
    await use(deployment.clientUrls()[0]!);
  });
}
