import { Code, ConnectError } from "@connectrpc/connect";
import { fault } from "../../rpc/error.ts";

/** What Node, Bun and Deno call a connection that was never made; `fetch` hides it, or says nothing. */
const NEVER_CONNECTED =
  /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ENOENT|EACCES|ETIMEDOUT|ConnectionRefused|Unable to connect|certificate|_CERT|CERT_/i;
/** What Connect says of a deadline that has passed here. */
const TIMED_OUT = "the operation timed out";
/** Breaks that Connect notices itself, in its words. */
const BROKEN =
  /^(http\/2 (stream|connection) closed with error code |protocol error: (incomplete envelope|missing EndStreamResponse|missing status|missing output message|promised \d+ bytes)|PING timed out$|connection aborted$|received GOAWAY |expected open session|sentinel completed early)/;
/** What did not get as far as the connection, or came over it. */
const OF_MESSAGES = /^(serialize|parse|message size|failed to) /;

/** What failed. */
export interface FailedCall {
  /** As messages call it: `operator "encoder"`, `a node's tensors`. */
  readonly label: string;
  /** The operator's name; empty for none. */
  readonly operator: string;
  /** The node's address. */
  readonly shown: string;
  readonly timeoutMs: number | undefined;
  /** The call's own signal: fires for its user, and when the client is closed. */
  readonly signal: AbortSignal;
}

/** An error as callers over a broker get it too: what the other side said stays, what happened on the way is told. */
export function nodeError(error: unknown, call: FailedCall): ConnectError {
  if (call.signal.aborted) return ConnectError.from(call.signal.reason);
  const failure = ConnectError.from(error);
  if (failure.isWireError) return failure;
  const { rawMessage, cause, code } = failure;
  if (code === Code.DeadlineExceeded && rawMessage === TIMED_OUT) {
    return new ConnectError(`The deadline of ${call.timeoutMs} ms has passed`, Code.DeadlineExceeded);
  }
  const local = cause instanceof Error && !(cause instanceof ConnectError) && !OF_MESSAGES.test(rawMessage);
  if (!local && !BROKEN.test(rawMessage)) return failure;
  const reasons = chainOf(failure).map((each) => `${each.message} ${"code" in each ? each.code : ""}`).join(" ");
  const never = NEVER_CONNECTED.test(reasons);
  const why = rawMessage.replace(/\.$/, "");
  return fault(
    never
      ? `Cannot call ${call.label}: node "${call.shown}" cannot be reached: ${why}`
      : `Cannot call ${call.label}: the connection to node "${call.shown}" broke, and its outcome is unknown: ${why}`,
    Code.Unavailable,
    { reason: never ? "NODE_AWAY" : "OUTCOME_UNKNOWN", operator: call.operator },
    error,
  );
}

function chainOf(error: Error): Error[] {
  const chain: Error[] = [];
  for (let at: unknown = error; at instanceof Error && !chain.includes(at); at = at.cause) chain.push(at);
  return chain;
}
