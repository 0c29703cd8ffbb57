import type { CallFacts, ClientObserver } from "../telemetry/observer.ts";
import { infoOf } from "./response.ts";

/** A call, and who watches it. */
export interface WatchedCall {
  readonly observers: readonly ClientObserver[];
  readonly facts: CallFacts;
  /** What it would send. */
  readonly headers: HeadersInit | undefined;
}

/** Begins to watch; answers with what is sent, and who is to be told of the end. */
function begin({ observers, facts, headers }: WatchedCall) {
  const watches = observers.map((observer) => {
    const watch = observer.call?.(facts, headers);
    headers = watch?.headers ?? headers;
    return watch;
  });
  const ended = (outputs: unknown, error?: unknown) => {
    const from = outputs instanceof Object ? infoOf(outputs) : undefined;
    for (const watch of watches) watch?.ended({ instance: from?.instance, attempt: from?.attempt, error });
  };
  return { headers, ended };
}

/** Makes a call, and tells those who watch. */
export async function observed<T>(call: WatchedCall, send: (headers: HeadersInit | undefined) => Promise<T>): Promise<T> {
  const { headers, ended } = begin(call);
  try {
    const outputs = await send(headers);
    ended(outputs);
    return outputs;
  } catch (error) {
    ended(undefined, error);
    throw error;
  }
}

/** Makes a call with many answers, and tells those who watch once it is over. */
export async function* observedStream<T>(
  call: WatchedCall,
  send: (headers: HeadersInit | undefined) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const { headers, ended } = begin(call);
  let last: T | undefined;
  let failure: unknown;
  try {
    for await (last of send(headers)) yield last;
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    ended(last, failure);
  }
}
