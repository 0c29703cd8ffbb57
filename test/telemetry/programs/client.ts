// A client of a program that has OpenTelemetry; says the trace of each thing that it does.
import process from "node:process";
import { trace } from "@opentelemetry/api";
import { connect, Tensor } from "../../../mod.ts";
import { openTelemetry } from "../../../src/telemetry/tracing.ts";
import { startSdk } from "./sdk.ts";

const sdk = startSdk("the-client");
const wb = await connect(process.env.WAYBILL_URL ?? "", { tracing: openTelemetry() });
const tracer = trace.getTracer("app");

async function told(what: string, work: () => Promise<unknown>): Promise<void> {
  await tracer.startActiveSpan(what, async (span) => {
    await work().catch(() => {});
    console.log(`${what} ${span.spanContext().traceId}`);
    span.end();
  });
}

const x = Tensor.from("FP32", [1, 2]);
await told("calling", async () => await wb.operator("parent").infer({}, { id: "order-7" }));
await told("fetching", async () => (await wb.operator("child").infer({ x })).y?.fetch());
await told("delegating", () => wb.operator("route").infer({ x }));
await told("streaming", async () => {
  for await (const _ of wb.operator("count").stream({}, { mode: "direct" })) void 0;
});
await told("failing", () => wb.operator("failing").infer({}));
await told("posting", () => wb.operator("child").post({ x }));
await wb.close();
await sdk.stop();
console.log("done");
