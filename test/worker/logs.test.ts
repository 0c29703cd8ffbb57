import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code, connect, ConnectError } from "../../mod.ts";
import type { Client } from "../../src/client/client.ts";
import { type Broker, launchNatsServer } from "../../src/testing/nats-server.ts";
import { operator } from "../../src/worker/operator.ts";
import { startWorker, type Worker } from "../../src/worker/worker.ts";
import { until } from "../support/program.ts";
import { failure, type Gate, gate } from "../support/waiting.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
let holding: Gate = gate();

interface Line {
  readonly message: string;
  readonly fields: Record<string, unknown> | undefined;
}

describe("a worker's log", () => {
  const lines: Line[] = [];
  let broker: Broker;
  let worker: Worker;
  let client: Client;
  const found = (message: string) => lines.find((line) => line.message === message)?.fields;

  beforeAll(async () => {
    const note = (message: string, fields?: Record<string, unknown>) => void lines.push({ message, fields });
    const operators = [
      operator({
        name: "failing",
        execute() {
          throw new Error("out of luck");
        },
      }),
      operator({
        name: "verbose",
        execute() {
          throw new ConnectError("x".repeat(200_000), Code.Internal);
        },
      }),
      operator({
        name: "hold",
        maxInflight: 1,
        async execute(_, context) {
          context.logger.info("Holding");
          await holding.promise;
          return {};
        },
      }),
    ];
    broker = await launchNatsServer({ maxMemoryBytes: 2 ** 40, maxPayloadBytes: 100_000 });
    const logger = { debug() {}, info: note, warn: note, error: note };
    worker = await startWorker({ operators, servers: broker.tcpUrl, logger });
    client = await connect(broker.tcpUrl);
  });
  afterAll(async () => {
    await client.close();
    await worker.drain({ drainMs: 1_000 });
    await broker.stop();
  });

  test("names request, call, attempt and trace where an operator fails", async () => {
    await failure(client.operator("failing").infer({}, { id: "order-7", headers }));
    expect(found("An operator failed")).toMatchObject({
      operator: "failing",
      requestId: "order-7",
      callId: expect.stringMatching(/^[0-9a-f]{32}$/),
      attempt: 1,
      traceId,
      error: "Error: out of luck",
    });
  });

  test("names them where an answer cannot be sent as it is", async () => {
    await failure(client.operator("verbose").infer({}, { headers }));
    expect(found("Cannot send an error whole")).toMatchObject({
      operator: "verbose",
      callId: expect.stringMatching(/^[0-9a-f]{32}$/),
      attempt: 1,
      traceId,
    });
  });

  test("names them where a request is given up, and has none where there is no trace", async () => {
    holding = gate();
    const running = client.operator("hold").infer({});
    await until("it runs", () => found("Holding") !== undefined);
    expect(found("Holding")).not.toHaveProperty("traceId");
    expect(found("Holding")?.requestId).toBe(found("Holding")?.callId);
    await client.operator("hold").post({}, { timeoutMs: 50, headers });
    await new Promise((resolve) => setTimeout(resolve, 100));
    holding.open();
    await running;
    await until("it is given up", () => found("Gave up a request") !== undefined);
    expect(found("Gave up a request")).toMatchObject({
      operator: "hold",
      reason: "EXPIRED",
      callId: expect.stringMatching(/^[0-9a-f]{32}$/),
      traceId,
    });
  });
});
