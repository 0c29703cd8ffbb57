/**
 * What the behaviours check with: web APIs alone, because they run where no test runner does.
 *
 * @module
 */
import { Code, ConnectError } from "../../mod.ts";

function show(value: unknown): string {
  return JSON.stringify(value, (_key, item) => typeof item === "bigint" ? `${item}n` : item) ?? String(value);
}

/** Fails unless both are the same, compared as JSON; a bigint is not the number. */
export function same(what: string, seen: unknown, wanted: unknown): void {
  if (show(seen) !== show(wanted)) throw new Error(`${what}: wanted ${show(wanted)}, got ${show(seen)}`);
}

/** Fails unless the promise is rejected with a `ConnectError` of this code; answers with it. */
export async function rejects(what: string, promise: Promise<unknown>, code: Code): Promise<ConnectError> {
  const outcome = await promise.then((value) => `an answer, ${show(value)}`, (error: unknown) => error);
  if (!(outcome instanceof ConnectError)) throw new Error(`${what}: wanted ${Code[code]}, got ${outcome}`);
  if (outcome.code !== code) throw new Error(`${what}: wanted ${Code[code]}, got ${Code[outcome.code]}: ${outcome.message}`);
  return outcome;
}

/** Waits until something holds. */
export async function until(what: string, holds: () => Promise<boolean>, timeoutMs: number = 15_000): Promise<void> {
  const giveUpAt = Date.now() + timeoutMs;
  while (!await holds()) {
    if (Date.now() > giveUpAt) throw new Error(`Waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
