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
import { type Carrier, extract, inject } from "./carrier.ts";
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
import { PlainHeaders } from "./plain-headers.ts";

export type { TracerProvider } from "@opentelemetry/api";
export type { PlainHeaders } from "./plain-headers.ts";
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
// The same objects for all spans.
const CLIENT = { kind: SpanKind.CLIENT };
const PRODUCER = { kind: SpanKind.PRODUCER };
const SERVER = { kind: SpanKind.SERVER };
const CONSUMER = { kind: SpanKind.CONSUMER };
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
  const headers = given === undefined ? new PlainHeaders() : new Headers(given);
  const parent = given === undefined ? context.active() : parentOf(headers);
  const { operator, method, requestId } = facts;
  const span = tracer.startSpan(`${method} ${operator}`, method === "post" ? PRODUCER : CLIENT, parent);
  if (span.isRecording()) {
    span.setAttributes(attributesOf(facts, "send"));
    if (requestId !== "") span.setAttribute("waybill.request.id", requestId);
  }
  inject(span, parent, headers);
  return new SpanOfCall(span, headers);
}

class SpanOfCall implements CallWatch {
  readonly headers: Carrier;
  readonly #span: Span;

  constructor(span: Span, headers: Carrier) {
    this.#span = span;
    this.headers = headers;
  }

  ended({ instance, attempt, error }: CallEnd): void {
    const span = this.#span;
    if (span.isRecording()) {
      if (instance !== undefined) span.setAttribute("waybill.instance", instance);
      if (attempt !== undefined) span.setAttribute("waybill.attempt", attempt);
    }
    end(span, error);
  }
}

function beginRequest(tracer: Tracer, facts: RequestFacts, headers: Carrier): RequestTrace {
  const parent = extract(headers);
  const { operator, posted, requestId, callId, attempt } = facts;
  const span = tracer.startSpan(`process ${operator}`, posted ? CONSUMER : SERVER, parent);
  if (span.isRecording()) {
    const attributes = attributesOf(facts, "process");
    attributes["waybill.call.id"] = callId;
    attributes["waybill.attempt"] = attempt;
    if (requestId !== "") attributes["waybill.request.id"] = requestId;
    if ("messaging.system" in attributes) attributes["messaging.message.id"] = callId;
    span.setAttributes(attributes);
  }
  return new SpanOfRequest(span, parent);
}

class SpanOfRequest implements RequestTrace {
  readonly #span: Span;
  readonly #parent: Context;
  #headers: Record<string, string> | undefined;
  #inside: Context | undefined;
  #ended = false;

  constructor(span: Span, parent: Context) {
    this.#span = span;
    this.#parent = parent;
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }

  get headers(): Readonly<Record<string, string>> {
    if (this.#headers === undefined) {
      const headers = new PlainHeaders();
      inject(this.#span, this.#parent, headers);
      this.#headers = Object.fromEntries(headers);
    }
    return this.#headers;
  }

  run<T>(work: () => T): T {
    return context.with(this.#inside ??= trace.setSpan(this.#parent, this.#span), work);
  }

  ended(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    end(this.#span, error);
  }
}

function beginFetch(tracer: Tracer, { node, bytes }: FetchFacts): FetchWatch {
  const attributes = { "waybill.tensor.node": node, "waybill.tensor.bytes": bytes };
  const span = tracer.startSpan("fetch tensor", { ...CLIENT, attributes }, context.active());
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
function parentOf(headers: Carrier): Context {
  const active = context.active();
  const given = extract(headers);
  const traceId = trace.getSpanContext(given)?.traceId;
  return traceId === undefined || traceId === trace.getSpanContext(active)?.traceId ? active : given;
}

/** What is known of a call on both sides. */
interface CalledFacts {
  readonly operator: string;
  readonly version: string | undefined;
  readonly method: "infer" | "stream" | "post";
  readonly mode: WatchedMode;
  readonly posted?: boolean;
}

/** Set only where a span is recorded: samplers decide by its name, which has the operator's. */
function attributesOf({ operator, version, method, mode, posted }: CalledFacts, operation: "send" | "process"): Attributes {
  const called = method === "stream" ? STREAM : INFER;
  const attributes: Attributes = {
    "rpc.system": "connect_rpc",
    "rpc.service": called.service,
    "rpc.method": called.method,
    "waybill.operator": operator,
    "waybill.mode": mode,
  };
  if (version !== undefined) attributes["waybill.operator.version"] = version;
  if (method === "post" || posted === true || mode !== "direct") {
    attributes["messaging.system"] = "nats";
    attributes["messaging.destination.name"] = operator;
    attributes["messaging.operation.type"] = operation;
    attributes["messaging.operation.name"] = operation === "send" ? method : operation;
  }
  return attributes;
}

function end(span: Span, error: unknown): void {
  if (error !== undefined && span.isRecording()) {
    const { rawMessage } = ConnectError.from(error);
    const code = outcomeOf(error);
    span.setAttribute("rpc.connect_rpc.error_code", code);
    span.setAttribute("error.type", code);
    span.setStatus({ code: SpanStatusCode.ERROR, message: rawMessage });
  }
  span.end();
}
