import { constants } from "node:os";

/** How a process ended. */
export interface ProcessExit {
  /** Exit code; `null` after a signal. */
  readonly code: number | null;
  /** The signal that ended it, if one did. */
  readonly signal: string | null;
}

/** An exit as one number, in the way of shells: 128 and the signal's number after a signal. */
export function exitCodeOf({ code, signal }: ProcessExit): number {
  if (signal === null) return code ?? 1;
  return 128 + ((constants.signals as Readonly<Record<string, number>>)[signal] ?? 0);
}

/** An exit in words, such as `exit code 1` or `signal SIGKILL`. */
export function exitText({ code, signal }: ProcessExit): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}
