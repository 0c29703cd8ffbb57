import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Client, connect, operator } from "../../mod.ts";
import { type Broker, launchNatsServer } from "../../src/testing/mod.ts";
import { startWorker, type Worker } from "../../src/worker/mod.ts";

const operators = [1, 3].map((priorities) =>
  operator({ name: `levels-${priorities}`, priorities, execute: ({ inputs }) => inputs })
);

describe("a queue in memory, when its broker is restarted", () => {
  let broker: Broker;
  let worker: Worker;
  let client: Client;
  beforeAll(async () => {
    broker = await launchNatsServer();
    worker = await startWorker({ servers: broker.tcpUrl, operators });
    client = await connect(broker.tcpUrl);
  });
  afterAll(async () => {
    await client.close();
    await worker.close();
    await broker.stop();
  });

  for (const { name, priorities } of operators) {
    test(`is there again before a caller gives up, with ${priorities} levels`, async () => {
      const handle = client.operator(name);
      await handle.infer({ x: Int32Array.of(1) });
      // In good order: the broker ends the worker's pull requests first, which makes the worker ask what became of its queue.
      await broker.restart();
      const from = performance.now();
      await handle.infer({ x: Int32Array.of(2) });
      expect(performance.now() - from).toBeLessThan(4_000);
    });
  }
});
