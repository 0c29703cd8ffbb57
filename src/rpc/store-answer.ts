import { Code } from "@connectrpc/connect";

/** What the broker says about a request that it was to store. */
export interface StoreAnswer {
  /** The request's number in the queue; `undefined` when it was refused. */
  readonly seq: number | undefined;
  /** Whether one with the same idempotency key was stored before: this one was dropped then. */
  readonly duplicate: boolean;
  /** Why it was refused. */
  readonly refusal: { readonly reason: string; readonly text: string; readonly code: Code } | undefined;
}

const decoder = new TextDecoder();

/** Reads the broker's answer to a stored message; `undefined` for anything else that comes along. */
export function readStoreAnswer(payload: Uint8Array): StoreAnswer | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(decoder.decode(payload));
  } catch {
    return undefined;
  }
  if (typeof answer !== "object" || answer === null) return undefined;
  const { seq, duplicate, error } = answer as { seq?: unknown; duplicate?: unknown; error?: { description?: unknown } };
  if (typeof error === "object" && error !== null) {
    const text = typeof error.description === "string" ? error.description : "no reason given";
    const full = /maximum (messages|bytes)|resource|insufficient/i.test(text);
    const refusal = full
      ? { reason: "QUEUE_FULL", text, code: Code.ResourceExhausted }
      : { reason: "QUEUE_REFUSED", text, code: Code.Unavailable };
    return { seq: undefined, duplicate: false, refusal };
  }
  return typeof seq === "number" ? { seq, duplicate: duplicate === true, refusal: undefined } : undefined;
}
