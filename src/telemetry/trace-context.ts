/** Where a trace goes on, as W3C's Trace Context says it. */
export interface TraceParent {
  /** The trace: 32 hexadecimal digits. */
  readonly traceId: string;
  /** The span that comes before: 16 hexadecimal digits. */
  readonly spanId: string;
  /** Bit 0 is set where the trace is recorded. */
  readonly flags: number;
}

/** Headers that a trace context consists of. */
export const TRACE_HEADERS: readonly string[] = ["traceparent", "tracestate", "baggage"];

const pattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** Reads a `traceparent`; `undefined` for none and for garbage. */
export function parseTraceparent(value: string | null | undefined): TraceParent | undefined {
  const [, traceId, spanId, flags] = pattern.exec(value?.trim() ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, flags: parseInt(flags, 16) };
}

/** Writes a `traceparent`. */
export function formatTraceparent({ traceId, spanId, flags }: TraceParent): string {
  return `00-${traceId}-${spanId}-${(flags & 1).toString(16).padStart(2, "0")}`;
}
