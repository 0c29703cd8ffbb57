import {
  type Context,
  createTraceState,
  propagation,
  ROOT_CONTEXT,
  type TextMapGetter,
  type TextMapSetter,
  trace,
} from "@opentelemetry/api";
import { formatTraceparent, parseTraceparent } from "./trace-context.ts";

const setter: TextMapSetter<Headers> = { set: (headers, name, value) => headers.set(name, value) };
const getter: TextMapGetter<Headers> = {
  get: (headers, name) => headers.get(name) ?? undefined,
  keys: (headers) => [...headers.keys()],
};

/** Whether the program has registered how trace contexts travel; else they do as W3C says. */
function hasPropagator(): boolean {
  return propagation.fields().length > 0;
}

/** Writes a trace context into headers. */
export function inject(from: Context, headers: Headers): void {
  if (hasPropagator()) return propagation.inject(from, headers, setter);
  const span = trace.getSpanContext(from);
  if (span === undefined || !trace.isSpanContextValid(span)) return;
  headers.set("traceparent", formatTraceparent({ traceId: span.traceId, spanId: span.spanId, flags: span.traceFlags }));
  const state = span.traceState?.serialize();
  if (state !== undefined && state !== "") headers.set("tracestate", state);
}

/** Reads a trace context from headers. */
export function extract(headers: Headers): Context {
  if (hasPropagator()) return propagation.extract(ROOT_CONTEXT, headers, getter);
  const parent = parseTraceparent(headers.get("traceparent"));
  if (parent === undefined) return ROOT_CONTEXT;
  const { traceId, spanId, flags: traceFlags } = parent;
  const state = headers.get("tracestate");
  const traceState = state === null ? undefined : createTraceState(state);
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, traceState, isRemote: true });
}
