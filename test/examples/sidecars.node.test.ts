// On Node alone: the kernel counts the bytes of `read` and `write`, which Node uses on sockets and Bun and Deno do not.
import { join } from "node:path";
import { describe, expect } from "bun:test";
import { helloWorld } from "../../examples/hello_world/deployment.ts";
import { OPERATORS } from "../../examples/hello_world/operators/mod.ts";
import { startDeployment } from "../../src/deployment/mod.ts";
import { locateUcx } from "../../src/native/mod.ts";
import { parsePage } from "../../src/telemetry/metrics/parse-page.ts";
import { freePorts, withFolder } from "../deployment/support.ts";
import { noSharedMemory } from "../support/sidecar.ts";
import { testUnless } from "../support/skip.ts";
import { startMeasuredClient } from "./measured-client.ts";
import { ioOf } from "./support.ts";

const ELEMENTS = 2 ** 19;
const PAYLOAD = 8 * ELEMENTS;
const REQUESTS = 5;
/** What a process may move for each request that the payload does not touch. */
const SMALL = 60_000;

const noUcx = noSharedMemory ?? (await locateUcx() === undefined ? "no UCX on this machine" : undefined);

describe("the hello world on three nodes with sidecars", () => {
  testUnless(
    noUcx,
    "moves what the encoder makes to the decoder by UCX, node to node, past broker, client and orchestrator",
    async () => {
      await withFolder(async (folder) => {
        const groups = OPERATORS.map((operator) => ({
          operator,
          count: 1,
          kind: "CPU" as const,
          settings: { inputCopies: 1 },
        }));
        const broker = { port: 0, websocketPort: false } as const;
        const startingMetricsPort = await freePorts(2 * OPERATORS.length + 1) + 1;
        const options = { runtime: "node", broker, startingMetricsPort, logDir: folder, sidecars: true } as const;
        const deployment = await startDeployment(helloWorld(groups, options), {
          name: "nodes",
          stateDir: join(folder, "waybill"),
        });
        try {
          const { broker, workers, sidecars } = deployment.status();
          const orchestrator = [...workers, ...sidecars].filter(({ name }) => name.includes("encoder_decoder"));
          expect(orchestrator.map(({ name }) => name).sort()).toEqual(["encoder_decoder.0", "sidecar-encoder_decoder"]);
          const pids = [broker?.pid, ...orchestrator.map(({ pid }) => pid)].map((pid) => pid ?? 0);
          const count = async () => {
            const varz = await (await fetch(`${broker?.monitorUrl}/varz`)).json() as { in_bytes: number; out_bytes: number };
            const served = Object.fromEntries(
              await Promise.all(sidecars.map(async ({ name, metricsUrl }) => [name, await servedBytes(metricsUrl ?? "")])),
            ) as Record<string, Record<string, number>>;
            return { varz, served, io: await Promise.all(pids.map(ioOf)) };
          };
          const client = startMeasuredClient(deployment.urls[0] ?? "", folder, ELEMENTS, REQUESTS);
          await client.ready;
          const before = await count();
          const own = await client.run();
          const after = await count();

          expect(own.succeeded).toBe(REQUESTS);
          const by = (node: string, way: string) =>
            (after.served[`sidecar-${node}`]?.[way] ?? 0) - (before.served[`sidecar-${node}`]?.[way] ?? 0);
          // From the encoder's node to the decoder's, and no other way.
          expect(by("encoder", "ucx")).toBe(REQUESTS * PAYLOAD);
          expect([by("encoder", "http"), by("encoder", "bus")]).toEqual([0, 0]);
          // From the decoder's to the client, which has no UCX.
          expect([by("decoder", "http"), by("decoder", "ucx")]).toEqual([REQUESTS * PAYLOAD, 0]);
          expect((after.varz.in_bytes - before.varz.in_bytes) / REQUESTS).toBeLessThan(SMALL);
          for (const [index, io] of after.io.entries()) {
            expect((io.read - before.io[index]!.read) / REQUESTS).toBeLessThan(SMALL);
            expect((io.written - before.io[index]!.written) / REQUESTS).toBeLessThan(SMALL);
          }
          // The client gives its input and gets its output, and sees nothing of what is between.
          for (const bytes of [own.read / REQUESTS, own.written / REQUESTS]) {
            expect(bytes).toBeGreaterThan(PAYLOAD);
            expect(bytes).toBeLessThan(PAYLOAD + 4 * SMALL);
          }
        } finally {
          await deployment.stop();
        }
      });
    },
  );
});

/** Bytes that a sidecar has served so far, by way. */
async function servedBytes(metricsUrl: string): Promise<Record<string, number>> {
  const samples = parsePage(await (await fetch(metricsUrl)).text());
  const served = samples.filter(({ metricName }) => metricName === "waybill_store_served_bytes_total");
  return Object.fromEntries(served.map(({ labels, value }) => [labels.way ?? "", value]));
}
