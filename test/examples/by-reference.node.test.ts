// On Node alone: the kernel counts the bytes of `read` and `write`, which Node uses on sockets and Bun and Deno do not.
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { helloWorld } from "../../examples/hello_world/deployment.ts";
import { OPERATORS } from "../../examples/hello_world/operators/mod.ts";
import { startDeployment } from "../../src/deployment/mod.ts";
import { withFolder } from "../deployment/support.ts";
import { startMeasuredClient } from "./measured-client.ts";
import { ioOf } from "./support.ts";

const ELEMENTS = 2 ** 19;
const PAYLOAD = 8 * ELEMENTS;
const REQUESTS = 5;
/** What a process may move for each request that the payload does not touch. */
const SMALL = 40_000;

describe("a payload of 4 MB by reference", () => {
  test("[W5] goes from client to encoder to decoder to client, and neither through the broker nor the orchestrator", async () => {
    await withFolder(async (folder) => {
      const groups = OPERATORS.map((operator) => ({ operator, count: 1, kind: "CPU" as const, settings: { inputCopies: 1 } }));
      const broker = { port: 0, websocketPort: false } as const;
      const options = { runtime: "node", broker, startingMetricsPort: 0, logDir: folder } as const;
      const deployment = await startDeployment(helloWorld(groups, options), {
        name: "by-reference",
        stateDir: join(folder, "waybill"),
      });
      try {
        const { broker, workers } = deployment.status();
        const pidOf = (name: string) => workers.find((worker) => worker.name === `${name}.0`)?.pid ?? 0;
        const pids = [broker?.pid ?? 0, pidOf("encoder_decoder"), pidOf("encoder"), pidOf("decoder")];
        const count = async () => {
          const varz = await (await fetch(`${broker?.monitorUrl}/varz`)).json() as { in_bytes: number; out_bytes: number };
          return { varz, io: await Promise.all(pids.map(ioOf)) };
        };
        const client = startMeasuredClient(deployment.urls[0] ?? "", folder, ELEMENTS, REQUESTS);
        await client.ready;
        const before = await count();
        const own = await client.run();
        const after = await count();
        const [nats, orchestrator, encoder, decoder] = after.io.map((io, index) => ({
          read: (io.read - before.io[index]!.read) / REQUESTS,
          written: (io.written - before.io[index]!.written) / REQUESTS,
        }));
        const perRequest = { read: own.read / REQUESTS, written: own.written / REQUESTS };

        expect(own.succeeded).toBe(REQUESTS);
        // The broker by its own counters and by the kernel's, and who only passes waybills on.
        expect((after.varz.in_bytes - before.varz.in_bytes) / REQUESTS).toBeLessThan(SMALL);
        expect((after.varz.out_bytes - before.varz.out_bytes) / REQUESTS).toBeLessThan(SMALL);
        for (const { read, written } of [nats!, orchestrator!]) {
          expect(read).toBeLessThan(SMALL);
          expect(written).toBeLessThan(SMALL);
        }
        // The others once each way: the client gives its input and gets its output, and sees nothing of what is between.
        for (const { read, written } of [perRequest, encoder!, decoder!]) {
          for (const bytes of [read, written]) {
            expect(bytes).toBeGreaterThan(PAYLOAD);
            expect(bytes).toBeLessThan(PAYLOAD + 4 * SMALL);
          }
        }
      } finally {
        await deployment.stop();
      }
    });
  });
});
