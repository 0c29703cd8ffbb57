import { test } from "bun:test";

/**
 * Reports a test as skipped, with the reason in its name: the one place that every runtime's report carries.
 */
export function skipped(name: string, reason: string): void {
  test.skip(`${name} (skipped: ${reason})`, () => {});
}

/** `test` where `reason` is `undefined`, else a test that is skipped for that reason. */
export function testUnless(reason: string | undefined, name: string, fn: () => void | Promise<void>, timeoutMs?: number): void {
  if (reason === undefined) test(name, fn, timeoutMs);
  else skipped(name, reason);
}
