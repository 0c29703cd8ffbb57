import type { CallRequest } from "./call-request.ts";
import type { Caller } from "./caller.ts";
import { type CallerFrameKind, encodeCallerFrame } from "./frame.ts";
import type { Route } from "./route.ts";

/** A call, as far as its frames tell of it. */
export interface FramedCall {
  readonly id: string;
  readonly caller: Caller;
  readonly route: Route;
  readonly request: CallRequest;
  /** On the caller's clock; `Infinity` for none. */
  readonly deadlineAt: number;
}

/** The `wb` header of the frame that opens a call. */
export function openingFrame(call: FramedCall): string {
  const { kind, method, seq, creditItems, creditBytes, trace } = call.request;
  return frame(call, kind, method, seq, creditItems, creditBytes, trace);
}

/** The `wb` header of a later one. */
export function laterFrame(call: FramedCall, kind: CallerFrameKind, seq: number, creditItems = 0, creditBytes = 0): string {
  return frame(call, kind, "", seq, creditItems, creditBytes, "");
}

function frame(
  { id: call, caller, route: { once }, request: { codec }, deadlineAt }: FramedCall,
  kind: CallerFrameKind,
  method: string,
  seq: number,
  creditItems: number,
  creditBytes: number,
  trace: string,
): string {
  const timeoutMs = deadlineAt === Infinity ? 0 : Math.max(1, Math.floor(deadlineAt - caller.now()));
  const numbers = { seq, timeoutMs, creditItems, creditBytes, base: 0 };
  return encodeCallerFrame({ kind, codec, caller: caller.id, call, ...numbers, once, method, trace });
}
