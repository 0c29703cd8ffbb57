import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "../../mod.ts";
import { type Broker, launchNatsServer } from "../../src/testing/nats-server.ts";
import { type Program, startProgram, until } from "../support/program.ts";
import { skipped } from "../support/skip.ts";
import { collectorBinary, startCollector } from "./collector.ts";
import { receiveSpans, type SpanReceiver, treeOf } from "./receiver.ts";

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/** What processes send their spans to. */
interface Destination {
  readonly otlpUrl: string;
  readonly receiver: SpanReceiver;
  close(): Promise<void>;
}

async function directly(): Promise<Destination> {
  const receiver = await receiveSpans();
  return { otlpUrl: `${receiver.url}/v1/traces`, receiver, close: () => receiver.close() };
}

async function throughCollector(binary: string): Promise<Destination> {
  const receiver = await receiveSpans();
  const collector = await startCollector(binary, receiver.url);
  const close = async () => {
    await collector.close();
    await receiver.close();
  };
  return { otlpUrl: `${collector.url}/v1/traces`, receiver, close };
}

function tracesFrom(where: string, start: () => Promise<Destination>): void {
  describe(`the traces of a client's and a worker's process, sent to ${where}`, () => {
    let broker: Broker;
    let destination: Destination;
    let worker: Program;
    let client: Program;
    const env = () => ({ WAYBILL_URL: broker.tcpUrl, OTLP_URL: destination.otlpUrl });
    const startWorker = () => startProgram("test/telemetry/programs/worker.ts", [], { env: env() });
    const tree = async (what: string, lines: number) => {
      const [, traceId = ""] = new RegExp(`^${what} ([0-9a-f]{32})$`, "m").exec(client.output) ?? [];
      const all = () => treeOf(destination.receiver.spans, traceId);
      await until(`${lines} spans of ${what} have come`, () => all().length >= lines).catch(() => {});
      return all();
    };

    beforeAll(async () => {
      [broker, destination] = await Promise.all([launchNatsServer({ maxMemoryBytes: 2 ** 40 }), start()]);
      worker = startWorker();
      await worker.waitFor(/"Serving"/, 30_000);
      client = startProgram("test/telemetry/programs/client.ts", [], { env: env() });
      await client.waitFor(/^done$/m, 60_000);
    }, 100_000);
    afterAll(async () => {
      await Promise.all([worker.kill(), client.kill()]);
      await destination.close();
      await broker.stop();
    });

    test("lead from the client to the worker, to what the operator calls, and to what that fetches", async () => {
      expect(await tree("calling", 7)).toEqual([
        "the-client: calling (internal)",
        "  the-client: infer parent (client)",
        "    the-worker: process parent (server)",
        "      the-worker: thinking (internal)",
        "        the-worker: fetch tensor (client)",
        "        the-worker: infer child (client)",
        "          the-worker: process child (server)",
      ]);
    });

    test("lead to fetches of the client", async () => {
      expect(await tree("fetching", 4)).toEqual([
        "the-client: fetching (internal)",
        "  the-client: fetch tensor (client)",
        "  the-client: infer child (client)",
        "    the-worker: process child (server)",
      ]);
    });

    test("lead on where a request is handed on", async () => {
      expect(await tree("delegating", 4)).toEqual([
        "the-client: delegating (internal)",
        "  the-client: infer route (client)",
        "    the-worker: process route (server)",
        "      the-worker: process child (server)",
      ]);
    });

    test("have streams in them, and what they call at their end", async () => {
      expect(await tree("streaming", 5)).toEqual([
        "the-client: streaming (internal)",
        "  the-client: stream count (client)",
        "    the-worker: process count (server)",
        "      the-worker: infer child (client)",
        "        the-worker: process child (server)",
      ]);
    });

    test("have errors as the spans' status", async () => {
      expect(await tree("failing", 3)).toEqual([
        "the-client: failing (internal)",
        "  the-client: infer failing (client) failed",
        "    the-worker: process failing (server) failed",
      ]);
      const spans = destination.receiver.spans.filter(({ name }) => name === "process failing");
      expect(spans[0]?.attributes).toMatchObject({ "rpc.connect_rpc.error_code": "unknown", "error.type": "unknown" });
    });

    test("have posts as messages", async () => {
      expect(await tree("posting", 3)).toEqual([
        "the-client: posting (internal)",
        "  the-client: post child (producer)",
        "    the-worker: process child (consumer)",
      ]);
    });

    test("say what was called, by the names of the conventions", () => {
      const span = destination.receiver.spans.find(({ name }) => name === "process parent");
      expect(span?.attributes).toMatchObject({
        "rpc.system": "connect_rpc",
        "rpc.service": "inference.GRPCInferenceService",
        "rpc.method": "ModelInfer",
        "messaging.system": "nats",
        "messaging.destination.name": "parent",
        "messaging.operation.type": "process",
        "waybill.operator": "parent",
        "waybill.mode": "queue",
        "waybill.request.id": "order-7",
      });
      expect(Number(span?.attributes["waybill.attempt"])).toBe(1);
      const call = destination.receiver.spans.find(({ name }) => name === "infer parent");
      expect(String(call?.attributes["waybill.instance"])).toMatch(/^[0-9a-f]{32}$/);
    });

    test("stand in the worker's log, with the ids of the request", async () => {
      const [, traceId] = /^calling ([0-9a-f]{32})$/m.exec(client.output) ?? [];
      const [line = ""] = await worker.waitFor(/^\{.*"Asking the child".*\}$/m);
      const span = destination.receiver.spans.find(({ name }) => name === "process parent");
      expect(JSON.parse(line)).toMatchObject({
        own: 1,
        operator: "parent",
        requestId: "order-7",
        callId: span?.attributes["waybill.call.id"],
        attempt: 1,
        traceId,
      });
    });

    test("go on from a traceparent that a client without tracing sends, also at the attempt after a worker's end", async () => {
      const plain = await connect(broker.tcpUrl);
      try {
        const answer = plain.operator("flaky").infer({}, { headers: { traceparent } });
        await worker.exited;
        worker = startWorker();
        await answer;
      } finally {
        await plain.close();
      }
      const found = () => destination.receiver.spans.find(({ name }) => name === "process flaky");
      await until("the span has come", () => found() !== undefined);
      expect(found()).toMatchObject({ traceId: traceparent.slice(3, 35), parentSpanId: traceparent.slice(36, 52) });
      expect(Number(found()?.attributes["waybill.attempt"])).toBe(2);
    }, 40_000);
  });
}

tracesFrom("a receiver", directly);

const collector = await collectorBinary();
if (collector !== undefined) tracesFrom("an OpenTelemetry Collector", () => throughCollector(collector));
else {
  describe("the traces of a client's and a worker's process, sent to an OpenTelemetry Collector", () => {
    skipped("lead from the client to the worker", "no collector, npm run collector builds one where Go is");
  });
}
