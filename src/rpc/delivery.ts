import { type ContextKey, createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { CallerFrame } from "./frame.ts";
import type { DispatchMode } from "./route.ts";

/** How a request came to this instance, and what it owes the broker. */
export interface Delivery {
  /** Deliveries so far, from 1; direct requests are always the first. */
  readonly attempt: number;
  /** Who is asked; `undefined` for a service that is no operator. */
  readonly operator: string | undefined;
  /** How it came here. */
  readonly mode: DispatchMode;
  /** When the caller stops waiting, on the `performance.now()` clock; `Infinity` for never. */
  readonly deadlineAt: number;
  /** Where in-progress beats go; `undefined` when nothing is stored. */
  readonly progressSubject: string | undefined;
  /** Tells the broker that the request is dealt with. */
  acknowledge(): void;
  /** The same, and waits until the broker has taken it: from then on it never delivers the request again. */
  confirm(): Promise<void>;
  /** Called once, when the handler has returned: the slot is free. */
  settled(): void;
}

/** What a handler may want to know about its call beside Connect's context. */
export interface CallInfo {
  readonly frame: CallerFrame;
  readonly delivery: Delivery;
  /** Whether the caller streams: what it sends comes here alone, and the request cannot be handed on. */
  readonly streamed: boolean;
  /**
   * Hands the request on: nothing is answered from here, `moved` tells the caller where it went. `false` when the call had
   * ended before: then what was handed on is nobody's.
   */
  delegate(operatorToken: string, storedSeq: number): boolean;
  /**
   * Calls back once the handler has returned and the request is acknowledged, so that what it brought is needed no more; never where
   * it was handed on or goes to another instance.
   */
  whenConsumed(callback: () => void): void;
}

/** Carries {@linkcode CallInfo} in Connect's context values. */
export const callInfo: ContextKey<CallInfo | undefined> = createContextKey<CallInfo | undefined>(undefined, {
  description: "Waybill call info",
});

/** What the bus knows of the call that a handler runs for; `undefined` when the call came another way. */
export function callInfoOf(context: HandlerContext): CallInfo | undefined {
  return "info" in context ? (context as HandlerContext & { info: CallInfo }).info : context.values.get(callInfo);
}
