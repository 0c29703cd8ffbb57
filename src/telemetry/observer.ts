/**
 * What watches calls, requests and fetches: metrics and traces. Types alone, so that a process that is not watched loads nothing of it.
 *
 * @module
 */

import type { PlainHeaders } from "./plain-headers.ts";

/** How a request reaches an operator, as {@linkcode CallOptions.mode} says. */
export type WatchedMode = "queue" | "direct" | "at-most-once";

/** A call that begins. */
export interface CallFacts {
  /** Who is called. */
  readonly operator: string;
  /** Which version was asked for; `undefined` for the default one. */
  readonly version: string | undefined;
  /** What was called: `post` is not answered. */
  readonly method: "infer" | "stream" | "post";
  /** How the request gets there. */
  readonly mode: WatchedMode;
  /** The user's own id for the request; `""` when none was given. */
  readonly requestId: string;
}

/** How a call ended. */
export interface CallEnd {
  /** Who answered, where that is known. */
  readonly instance?: string;
  /** Which execution of the request it was, from 1. */
  readonly attempt?: number;
  /** What it failed with; `undefined` when it ended well. */
  readonly error?: unknown;
}

/** Watches one call. */
export interface CallWatch {
  /** What is sent in place of the call's own headers: a trace context is added here. Default: what the call had. */
  readonly headers?: HeadersInit;
  /** Told once. */
  ended(end: CallEnd): void;
}

/** A tensor that is fetched. */
export interface FetchFacts {
  /** Who owns it. */
  readonly node: string;
  /** How much of it is read. */
  readonly bytes: number;
}

/** Watches one fetch. */
export interface FetchWatch {
  /** Told once: the way that was taken, or what the fetch failed with. */
  ended(end: { readonly way?: string; readonly error?: unknown }): void;
}

/** Watches fetches. */
export interface FetchObserver {
  /** Called before a tensor is read; `undefined` where this one is not watched. */
  fetch?(facts: FetchFacts): FetchWatch | undefined;
  /** Told of a way that should have worked and did not, so that the next one was tried. */
  wayFailed?(facts: { readonly node: string; readonly way: string }): void;
}

/** Watches what a client does: `clientMetrics()` and `openTelemetry()` make such. */
export interface ClientObserver extends FetchObserver {
  /** Called before a call is sent, with the headers that it would send; `undefined` where this one is not watched. */
  call?(facts: CallFacts, headers: HeadersInit | undefined): CallWatch | undefined;
}

/** A request that a worker begins to execute. */
export interface RequestFacts {
  /** Who is asked. */
  readonly operator: string;
  /** Its version. */
  readonly version: string;
  /** Whether many answers are wanted. */
  readonly method: "infer" | "stream";
  /** How it came here. */
  readonly mode: WatchedMode;
  /** Whether nobody waits for the answer. */
  readonly posted: boolean;
  /** The user's own id; `""` when none was given. */
  readonly requestId: string;
  /** Unique to the call. */
  readonly callId: string;
  /** Which execution of the request this is, from 1. */
  readonly attempt: number;
}

/** Traces one execution. */
export interface RequestTrace {
  /** The trace that it belongs to: 32 hexadecimal digits. */
  readonly traceId: string;
  /** The trace context for what the execution calls: `traceparent`, and `tracestate` and `baggage` where there are any. */
  readonly headers: Readonly<Record<string, string>>;
  /** Does something as a part of the execution, so that spans made within are its children. */
  run<T>(work: () => T): T;
  /** Ends it; only the first time counts. */
  ended(error?: unknown): void;
}

/** Traces calls, fetches and executions. {@linkcode openTelemetry} makes one. */
export interface Tracing extends ClientObserver {
  /** Called before a request is executed, with the headers that came with it. */
  request(facts: RequestFacts, headers: Headers | PlainHeaders): RequestTrace;
}
