import type { RestartPolicy } from "./definition.ts";

/**
 * How long to wait before a restart: `backoffMs`, doubled with each in a row, `maxBackoffMs` at most; up to a quarter is taken off at
 * random, so that workers which died together do not come back together for ever.
 *
 * @param inARow 1 for the first
 */
export function backoffMs(policy: Required<RestartPolicy>, inARow: number, random: number = Math.random()): number {
  const full = Math.min(policy.backoffMs * 2 ** Math.min(inARow - 1, 30), policy.maxBackoffMs);
  return Math.round(full * (1 - random / 4));
}
