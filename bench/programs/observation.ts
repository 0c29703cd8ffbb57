import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } from "@opentelemetry/sdk-trace";

/** What is watched while the bench runs. */
export type Observation = "off" | "metrics" | "traced" | "sampled";

/** Spans are made, batched and thrown away: what is measured is their making, and no collector's speed. */
export function startSdk(observation: Observation): void {
  if (observation !== "traced" && observation !== "sampled") return;
  const exporter = {
    export: (_spans: unknown, done: (result: { code: number }) => void) => done({ code: 0 }),
    shutdown: () => Promise.resolve(),
    forceFlush: () => Promise.resolve(),
  };
  const provider = new TracerProvider({
    ...(observation === "sampled" ? { sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0.01) }) } : {}),
    spanProcessors: [new BatchSpanProcessor({ exporter, maxQueueSize: 100_000 })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
}
