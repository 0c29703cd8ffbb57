/**
 * Spans by the OpenTelemetry API: of a client's calls and fetches, and of a worker's executions. Where they go is for the program's own
 * OpenTelemetry SDK to say; without one they go nowhere, and trace contexts are passed on all the same.
 *
 * @example
 * ```ts
 * const wb = await connect("nats://127.0.0.1:4222", { tracing: openTelemetry() });
 * ```
 *
 * @module
 */
import {
  type Attributes,
  type Context,
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
  type TracerProvider,
} from "@opentelemetry/api";
import { ConnectError } from "@connectrpc/connect";
import { extract, inject } from "./carrier.ts";
import type {
  CallEnd,
  CallFacts,
  CallWatch,
  FetchFacts,
  FetchWatch,
  RequestFacts,
  RequestTrace,
  Tracing,
  WatchedMode,
} from "./observer.ts";
import { outcomeOf } from "./outcome.ts";

export type { TracerProvider } from "@opentelemetry/api";
export type {
  CallEnd,
  CallFacts,
  CallWatch,
  ClientObserver,
  FetchFacts,
  FetchObserver,
  FetchWatch,
  RequestFacts,
  RequestTrace,
  Tracing,
  WatchedMode,
} from "./observer.ts";

/** How to trace. */
export interface OpenTelemetryOptions {
  /** Makes the tracer. Default: the one that the program has registered with the OpenTelemetry API, now or later. */
  tracerProvider?: TracerProvider;
}

const INFER = { service: "inference.GRPCInferenceService", method: "ModelInfer" };
const STREAM = { service: "waybill.v1.OperatorService", method: "InferStream" };

/** Makes what to give to `connect` or to a worker as `tracing`. */
export function openTelemetry(options: OpenTelemetryOptions = {}): Tracing {
  const tracer = (options.tracerProvider ?? trace).getTracer("waybill");
  return {
    call: (facts, headers) => beginCall(tracer, facts, headers),
    fetch: (facts) => beginFetch(tracer, facts),
    request: (facts, headers) => beginRequest(tracer, facts, headers),
  };
}

function beginCall(tracer: Tracer, facts: CallFacts, given: HeadersInit | undefined): CallWatch {
  const headers = new Headers(given);
  const parent = parentOf(headers);
  const { operator, method, requestId } = facts;
  const attributes = { ...attributesOf(facts), ...requestId === "" ? {} : { "waybill.request.id": requestId } };
  const kind = method === "post" ? SpanKind.PRODUCER : SpanKind.CLIENT;
  const span = tracer.startSpan(`${method} ${operator}`, { kind, attributes }, parent);
  inject(trace.setSpan(parent, span), headers);
  return {
    headers,
    ended({ instance, attempt, error }: CallEnd) {
      if (instance !== undefined) span.setAttribute("waybill.instance", instance);
      if (attempt !== undefined) span.setAttribute("waybill.attempt", attempt);
      end(span, error);
    },
  };
}

function beginRequest(tracer: Tracer, facts: RequestFacts, headers: Headers): RequestTrace {
  const parent = extract(headers);
  const { operator, version, posted, requestId, callId, attempt } = facts;
  const attributes: Attributes = {
    ...attributesOf({ ...facts, version, method: posted ? "post" : facts.method }),
    "waybill.call.id": callId,
    "waybill.attempt": attempt,
  };
  if (requestId !== "") attributes["waybill.request.id"] = requestId;
  if (posted || facts.mode !== "direct") {
    attributes["messaging.operation.type"] = "process";
    attributes["messaging.operation.name"] = "process";
    attributes["messaging.message.id"] = callId;
  }
  const kind = posted ? SpanKind.CONSUMER : SpanKind.SERVER;
  const span = tracer.startSpan(`process ${operator}`, { kind, attributes }, parent);
  const inside = trace.setSpan(parent, span);
  return new SpanOfRequest(span, inside);
}

class SpanOfRequest implements RequestTrace {
  readonly #span: Span;
  readonly #inside: Context;
  #headers: Record<string, string> | undefined;
  #ended = false;

  constructor(span: Span, inside: Context) {
    this.#span = span;
    this.#inside = inside;
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }

  get headers(): Readonly<Record<string, string>> {
    if (this.#headers === undefined) {
      const headers = new Headers();
      inject(this.#inside, headers);
      this.#headers = Object.fromEntries(headers);
    }
    return this.#headers;
  }

  run<T>(work: () => T): T {
    return context.with(this.#inside, work);
  }

  ended(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    end(this.#span, error);
  }
}

function beginFetch(tracer: Tracer, { node, bytes }: FetchFacts): FetchWatch {
  const attributes = { "waybill.tensor.node": node, "waybill.tensor.bytes": bytes };
  const span = tracer.startSpan("fetch tensor", { kind: SpanKind.CLIENT, attributes }, context.active());
  return {
    ended({ way, error }) {
      if (way !== undefined) span.setAttribute("waybill.tensor.way", way);
      end(span, error);
    },
  };
}

/**
 * What a call belongs to: the trace context among its own headers, else what is active. Where both are of one trace the active span is
 * the later one: an operator's calls carry their request's context in case that the runtime keeps track of nothing.
 */
function parentOf(headers: Headers): Context {
  const active = context.active();
  if (!headers.has("traceparent")) return active;
  const given = extract(headers);
  const traceId = trace.getSpanContext(given)?.traceId;
  return traceId === undefined || traceId === trace.getSpanContext(active)?.traceId ? active : given;
}

function attributesOf(
  facts: { operator: string; version: string | undefined; method: "infer" | "stream" | "post"; mode: WatchedMode },
): Attributes {
  const { operator, version, method, mode } = facts;
  const called = method === "stream" ? STREAM : INFER;
  const attributes: Attributes = {
    "rpc.system": "connect_rpc",
    "rpc.service": called.service,
    "rpc.method": called.method,
    "waybill.operator": operator,
    "waybill.mode": mode,
  };
  if (version !== undefined) attributes["waybill.operator.version"] = version;
  if (method === "post" || mode !== "direct") {
    attributes["messaging.system"] = "nats";
    attributes["messaging.destination.name"] = operator;
    attributes["messaging.operation.type"] = "send";
    attributes["messaging.operation.name"] = method;
  }
  return attributes;
}

function end(span: Span, error: unknown): void {
  if (error !== undefined) {
    const { rawMessage } = ConnectError.from(error);
    const code = outcomeOf(error);
    span.setAttribute("rpc.connect_rpc.error_code", code);
    span.setAttribute("error.type", code);
    span.setStatus({ code: SpanStatusCode.ERROR, message: rawMessage });
  }
  span.end();
}
