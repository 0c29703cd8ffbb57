import {
  type Context,
  createTraceState,
  INVALID_TRACEID,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type TextMapGetter,
  type TextMapSetter,
  trace,
} from "@opentelemetry/api";
import { PlainHeaders } from "./plain-headers.ts";
import { formatTraceparent, parseTraceparent } from "./trace-context.ts";

/** What trace contexts travel in. */
export type Carrier = Headers | PlainHeaders;

const setter: TextMapSetter<Carrier> = {
  set: (headers, name, value) =>
    void (headers instanceof PlainHeaders ? headers.push([name.toLowerCase(), value]) : headers.set(name, value)),
};
const getter: TextMapGetter<Carrier> = {
  get: (headers, name) => headerOf(headers, name),
  keys: (headers) => headers instanceof PlainHeaders ? headers.map(([name]) => name) : [...headers.keys()],
};

/** Whether the program has registered how trace contexts travel; else they do as W3C says. */
function hasPropagator(): boolean {
  return propagation.fields().length > 0;
}

/** A header's value; `undefined` where there is none. */
export function headerOf(headers: Carrier, name: string): string | undefined {
  return headers instanceof PlainHeaders ? headers.value(name) : headers.get(name) ?? undefined;
}

/** Writes a span, and the baggage of the context that it is in, into headers. */
export function inject(span: Span, within: Context, headers: Carrier): void {
  if (hasPropagator()) return propagation.inject(trace.setSpan(within, span), headers, setter);
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  if (traceId === INVALID_TRACEID) return;
  setter.set(headers, "traceparent", formatTraceparent({ traceId, spanId, flags: traceFlags }));
  const state = traceState?.serialize();
  if (state !== undefined && state !== "") setter.set(headers, "tracestate", state);
}

/** Reads a trace context from headers. */
export function extract(headers: Carrier): Context {
  if (hasPropagator()) return propagation.extract(ROOT_CONTEXT, headers, getter);
  const parent = parseTraceparent(headerOf(headers, "traceparent"));
  if (parent === undefined) return ROOT_CONTEXT;
  const { traceId, spanId, flags: traceFlags } = parent;
  const state = headerOf(headers, "tracestate");
  const traceState = state === undefined ? undefined : createTraceState(state);
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, traceState, isRemote: true });
}
