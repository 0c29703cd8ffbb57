import { afterEach, describe, expect, test } from "bun:test";
import { propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { decodePairs, encodeMetadata } from "../../src/rpc/metadata.ts";
import { PlainHeaders } from "../../src/telemetry/plain-headers.ts";
import { openTelemetry } from "../../src/telemetry/tracing.ts";
import { startFakeDeployment } from "../../src/testing/mod.ts";
import { operator } from "../../src/worker/mod.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;

/** A worker and a client that trace, and the headers that the operator got. */
async function world() {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const seen: Headers[] = [];
  const show = operator({
    name: "show",
    execute(_, context) {
      seen.push(context.requestHeader);
      return {};
    },
  });
  const parent = operator({ name: "parent", execute: async (_, context) => await context.call("show").infer({}) });
  const tracing = openTelemetry({ tracerProvider });
  const { client: plain, connect, close } = await startFakeDeployment({ operators: [show, parent], tracing });
  return { exporter, seen, plain, client: connect({ tracing }), close };
}

describe("a trace context", () => {
  afterEach(() => propagation.disable());

  test("goes on from the headers of a call, which keep what else they say", async () => {
    const { exporter, seen, client, close } = await world();
    await client.operator("parent").infer({}, { headers: { traceparent, tracestate: "mine=1", "x-own": "yes" } });
    await close();
    const spans = exporter.getFinishedSpans();
    expect(spans.map(({ name }) => name).sort()).toEqual(["infer parent", "infer show", "process parent", "process show"]);
    expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([traceId]));
    const first = spans.find(({ name }) => name === "infer parent");
    expect(first?.parentSpanContext?.spanId).toBe(traceparent.slice(36, 52));
    const asked = spans.find(({ name }) => name === "infer show");
    expect(seen[0]?.get("traceparent")).toBe(`00-${traceId}-${asked?.spanContext().spanId}-01`);
    expect(seen[0]?.get("tracestate")).toBe("mine=1");
  });

  test("is passed on by who does not trace, down to what the operator calls", async () => {
    const seen: (string | null)[] = [];
    const show = operator({
      name: "show",
      execute: (_, { requestHeader }) => (seen.push(requestHeader.get("traceparent")), {}),
    });
    const parent = operator({ name: "parent", execute: async (_, context) => await context.call("show").infer({}) });
    const { client, close } = await startFakeDeployment({ operators: [show, parent], tracing: false });
    await client.operator("parent").infer({}, { headers: { traceparent } });
    await close();
    expect(seen).toEqual([traceparent]);
  });

  test("travels as the program's own propagator says, where it has registered one", async () => {
    propagation.setGlobalPropagator({
      fields: () => ["x-trace"],
      inject(context, carrier, setter) {
        const { traceId, spanId } = trace.getSpanContext(context)!;
        setter.set(carrier, "X-Trace", `${traceId}/${spanId}`);
      },
      extract(context, carrier, getter) {
        const [traceId = "", spanId = ""] = String(getter.get(carrier, "x-trace") ?? "").split("/");
        if (traceId === "") return context;
        return trace.setSpanContext(context, { traceId, spanId, traceFlags: 1, isRemote: true });
      },
    });
    const { exporter, seen, client, close } = await world();
    await client.operator("parent").infer({});
    await close();
    expect(new Set(exporter.getFinishedSpans().map((span) => span.spanContext().traceId)).size).toBe(1);
    expect(exporter.getFinishedSpans()).toHaveLength(4);
    expect(seen[0]?.get("x-trace")).toMatch(/^[0-9a-f]{32}\/[0-9a-f]{16}$/);
    expect(seen[0]?.has("traceparent")).toBe(false);
    expect(trace.getSpanContext(ROOT_CONTEXT)).toBe(undefined);
  });

  test("in plain headers is encoded as others are, and garbage counts as none", () => {
    const plain = new PlainHeaders(["traceparent", traceparent], ["x", "1"]);
    expect(encodeMetadata(plain)).toBe(encodeMetadata(new Headers([...plain])));
    expect([...decodePairs(encodeMetadata(plain))]).toEqual([...plain]);
    expect([...new Headers(plain)]).toEqual([...plain]);
    for (const garbage of [undefined, "", "x", "[]", "[[1]]", '[[["a"]]]', '[[["a",1]]]', '{"0":1}']) {
      expect(decodePairs(garbage)).toHaveLength(0);
    }
  });
});
