import type { Caller } from "./caller.ts";
import { FRAME_HEADER } from "./frame.ts";
import type { Route } from "./route.ts";

const EMPTY = new Uint8Array(0);

/** Publishes a frame of a call that was opened before; without a payload where it is no message. */
export function publishLater(
  { bus }: Caller,
  subject: string,
  frame: string,
  reply: string | undefined,
  payload: Uint8Array = EMPTY,
): void {
  try {
    bus.publish(subject, payload, { headers: { [FRAME_HEADER]: frame }, reply });
  } catch {
    // The connection is closed; every call of it fails on its own.
  }
}

/**
 * Stores the cancel of a stored request for the instances to come: who serves the operator next reads it before the first pull.
 * A call past its deadline needs none, since expired requests are never executed.
 */
export function storeCancel(
  { bus, subjects }: Caller,
  route: Route,
  { caller, call }: { caller: string; call: string },
  frame: string,
  leftMs: number,
): void {
  if (!route.stored || leftMs <= 0) return;
  const headers: Record<string, string> = { [FRAME_HEADER]: frame };
  // Whole seconds are what the broker counts in.
  if (leftMs !== Infinity) headers["Nats-TTL"] = `${Math.ceil(leftMs / 1000)}s`;
  try {
    bus.publish(subjects.canceled(route.operator, caller, call), EMPTY, { headers });
  } catch {
    // As above.
  }
}
