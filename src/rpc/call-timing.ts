import type { Route } from "./route.ts";

/** A stored request is acknowledged within this time, or something may be wrong. */
export const ACK_WAIT_MS = 500;
/** Running instances send a heartbeat each second; this long without one and the instance is lost. */
export const LOST_AFTER_MS = 5_000;
/** An instance's id is never used again: nobody listening there is as good as certain. */
export const DIRECTED_WAIT_MS = 1_000;
/** How long a request may find nobody to take it. */
export function patienceMs(operatorWaitMs: number, { directedTo }: Pick<Route, "directedTo">): number {
  return directedTo === undefined ? operatorWaitMs : Math.min(operatorWaitMs, DIRECTED_WAIT_MS);
}
/** How long other instances may still report a call that one does not know. */
export const UNKNOWN_GRACE_MS = 1_000;
/** After an outage the others come back a little later, or earlier: for this long nobody's silence or ignorance is a verdict. */
export const REJOIN_MS = 4_000;
/** How often is asked meanwhile. */
export const REJOIN_PROBE_MS = 1_000;
/** How the error of a lost call says so. */
export const SILENT: string = `fell silent for ${LOST_AFTER_MS} ms`;
/** Calls that wait in a queue are asked for less and less often. */
export const MAX_PROBE_DELAY_MS = 30_000;
/** How soon a request is published again to which nobody listened, and how seldom in the end. */
export const FIRST_RETRY_MS = 50;
/** See {@linkcode FIRST_RETRY_MS}. */
export const MAX_RETRY_MS = 500;
/** Many frames may be on their way when a call is canceled: one more word is enough for all of them. */
export const CANCEL_AGAIN_MS = 250;
