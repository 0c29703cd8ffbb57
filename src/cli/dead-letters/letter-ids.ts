import { Code, ConnectError } from "@connectrpc/connect";
import type { DeadLetters } from "../../deployment/mod.ts";

/** A letter's number as it was typed. */
export function letterId(text: string): number {
  if (/^[1-9]\d{0,15}$/.test(text)) return Number(text);
  throw new ConnectError(
    `Cannot look for a dead letter: its number must be an integer from 1, got "${text}"`,
    Code.InvalidArgument,
  );
}

/** Which letters a command is for: those that were typed, else all of an operator. */
export async function chosenIds(
  letters: DeadLetters,
  typed: readonly string[],
  operator: string | undefined,
): Promise<number[]> {
  if (typed.length > 0 && operator === undefined) return typed.map(letterId);
  if (typed.length === 0 && operator !== undefined) {
    const ids: number[] = [];
    for await (const { id } of letters.list({ operator })) ids.push(id);
    return ids;
  }
  const got = typed.length === 0 ? "neither" : "both";
  throw new ConnectError(
    `Cannot tell which dead letters: numbers or --operator must be given, got ${got}`,
    Code.InvalidArgument,
  );
}
