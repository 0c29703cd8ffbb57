import { ProxyTracerProvider, trace } from "@opentelemetry/api";
import type { Tracing } from "../telemetry/observer.ts";
import { openTelemetry } from "../telemetry/tracing.ts";

/** What a worker traces with: what it was given, OpenTelemetry where that is wanted or the program has set it up, else nothing. */
export function tracingOf(option: boolean | Tracing | undefined): Tracing | undefined {
  if (typeof option === "object") return option;
  return option ?? hasProvider() ? openTelemetry() : undefined;
}

/** Whether the program has registered a tracer provider: without one spans go nowhere, and nothing needs to make any. */
function hasProvider(): boolean {
  const provider = trace.getTracerProvider();
  return !(provider instanceof ProxyTracerProvider) || provider.getDelegate() !== new ProxyTracerProvider().getDelegate();
}
