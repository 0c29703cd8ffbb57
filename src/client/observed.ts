import type { CallFacts, ClientObserver } from "../telemetry/observer.ts";
import { infoOf } from "./response.ts";

/** How a call is made: with these headers in place of its own. */
type Send<T> = (headers: HeadersInit | undefined) => T;

/** Those who watch a call, and what it sends. */
function begin(observers: readonly ClientObserver[], facts: CallFacts, given: HeadersInit | undefined) {
  let headers = given;
  const watches = observers.map((observer) => {
    const watch = observer.call?.(facts, headers);
    headers = watch?.headers ?? headers;
    return watch;
  });
  return {
    headers,
    ended(outputs: unknown, error?: unknown) {
      const { instance, attempt } = (typeof outputs === "object" && outputs !== null ? infoOf(outputs) : undefined) ?? {};
      for (const watch of watches) watch?.ended({ instance, attempt, error });
    },
  };
}

/** Makes a call, and tells those who watch. */
export async function observed<T>(
  observers: readonly ClientObserver[],
  facts: CallFacts,
  headers: HeadersInit | undefined,
  send: Send<Promise<T>>,
): Promise<T> {
  const call = begin(observers, facts, headers);
  try {
    const outputs = await send(call.headers);
    call.ended(outputs);
    return outputs;
  } catch (error) {
    call.ended(undefined, error);
    throw error;
  }
}

/** Makes a call with many answers, and tells those who watch once it is over. */
export async function* observedStream<T>(
  observers: readonly ClientObserver[],
  facts: CallFacts,
  headers: HeadersInit | undefined,
  send: Send<AsyncIterable<T>>,
): AsyncGenerator<T, void, undefined> {
  const call = begin(observers, facts, headers);
  let last: T | undefined;
  let failure: unknown;
  try {
    for await (const outputs of send(call.headers)) yield last = outputs;
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    call.ended(last, failure);
  }
}
