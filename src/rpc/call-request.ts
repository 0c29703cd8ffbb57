import type { CallerFrameKind, Codec } from "./frame.ts";
import type { Route } from "./route.ts";

/** What opens a call. */
export interface CallRequest {
  readonly route: Route;
  readonly kind: Extract<CallerFrameKind, "request" | "post">;
  readonly method: string;
  readonly payload: Uint8Array;
  /** Value of `wb-meta`; empty for none. */
  readonly metadata: string;
  /** The call's `traceparent`, where it is no part of the metadata; else empty. */
  readonly trace: string;
  /** Remaining time; `undefined` waits for ever. */
  readonly timeoutMs: number | undefined;
  /** Makes the broker drop a second request with the same key within its window. */
  readonly idempotencyKey: string | undefined;
  /** Whether running it twice is harmless, so that it may be sent again when nobody knows what became of it. */
  readonly idempotent: boolean;
  readonly creditItems: number;
  readonly creditBytes: number;
  /** How payloads are encoded. */
  readonly codec: Codec;
  /** Of methods whose caller streams: 1 when the payload is the first message, 0 when it is none. */
  readonly seq: number;
}
