import { Code } from "@connectrpc/connect";
import { fault } from "../rpc/error.ts";
import type { WaybillEvent } from "./event.ts";
import type { PayloadSchema } from "./payload.ts";

/** How to publish an event. */
export interface PublishOptions {
  /** What kind of event it is. Default: the name of a protobuf payload's type, else `"json"` or `"bytes"`. */
  type?: string;
  /** What the payload must be: needed for protobuf messages, else checked before anything is sent. Default unchecked. */
  schema?: PayloadSchema;
  /** Stops waiting for the broker's word when aborted; the event may be out by then. */
  signal?: AbortSignal;
  /** How long to wait for the broker's word, a reconnect included. Default 10,000 ms. */
  timeoutMs?: number;
}

/** Which events to get beside their topic, and how. */
export interface SubscribeOptions {
  /** Only this type. Default any. */
  type?: string;
  /** Only from this component. Default any. */
  component?: string;
  /**
   * Called for each event, the next one once its promise has settled; there is nothing to iterate over then. What it throws is
   * logged and counted ({@linkcode EventSubscription.failed}), and the subscription goes on.
   */
  onEvent?: (event: WaybillEvent) => unknown;
  /** Calls of `onEvent` that may run at once; more than one, and they end in any order. Default 1. */
  concurrency?: number;
  /** Most events that wait for the reader. Default 1,000. */
  maxBuffered?: number;
  /** Most bytes of payload that wait for the reader; one event may be larger. Default 16 MiB. */
  maxBufferedBytes?: number;
  /**
   * What becomes of a reader that is too slow: `"drop-oldest"` drops what waits longest, and counts it in
   * {@linkcode EventSubscription.dropped}; `"error"` ends the subscription with `resource_exhausted` after what waits. Default
   * `"drop-oldest"`.
   */
  overflow?: "drop-oldest" | "error";
  /** Ends the subscription when aborted: reading it then fails. */
  signal?: AbortSignal;
  /** How long the broker may take to begin it, a reconnect included. Default 10,000 ms. */
  timeoutMs?: number;
}

/** How a subscription holds what its reader has not read, with everything decided. */
export interface Holding {
  readonly onEvent: ((event: WaybillEvent) => unknown) | undefined;
  readonly concurrency: number;
  readonly maxBuffered: number;
  readonly maxBufferedBytes: number;
  readonly overflow: "drop-oldest" | "error";
}

/** Fills in the defaults, and refuses what makes no sense. */
export function holdingOf(options: SubscribeOptions): Holding {
  const { onEvent, concurrency = 1, maxBuffered = 1_000, maxBufferedBytes = 16 * 1024 * 1024, overflow = "drop-oldest" } =
    options;
  for (const [name, value] of Object.entries({ concurrency, maxBuffered, maxBufferedBytes })) {
    if (!Number.isSafeInteger(value) || value < 1) throw refusal(name, "an integer from 1", value);
  }
  if (overflow !== "drop-oldest" && overflow !== "error") throw refusal("overflow", `"drop-oldest" or "error"`, overflow);
  if (onEvent !== undefined && typeof onEvent !== "function") throw refusal("onEvent", "a function", onEvent);
  return { onEvent, concurrency, maxBuffered, maxBufferedBytes, overflow };
}

function refusal(option: string, wanted: string, seen: unknown): Error {
  return fault(`Cannot subscribe to events: ${option} must be ${wanted}, got ${String(seen)}`, Code.InvalidArgument);
}
