import { parseTraceparent } from "../telemetry/trace-context.ts";
import type { CallerFrame } from "./frame.ts";
import { decodeHeader } from "./metadata.ts";

/** What records about a request carry, so that they are found with its others; the user's own id is in its message, unread here. */
export interface RequestFacts {
  readonly callId: string;
  readonly method: string;
  readonly attempt: number;
  readonly operator?: string;
  readonly traceId?: string;
}

/**
 * Makes them.
 *
 * @param attempt which delivery or execution it is about
 * @param metadata the request's `wb-meta`
 */
export function logFacts(
  frame: CallerFrame,
  attempt: number,
  operator: string | undefined,
  metadata: string | undefined,
): RequestFacts {
  const traceId = parseTraceparent(frame.trace || decodeHeader(metadata).get("traceparent"))?.traceId;
  return {
    callId: frame.call,
    method: frame.method,
    attempt,
    ...operator === undefined ? {} : { operator },
    ...traceId === undefined ? {} : { traceId },
  };
}
