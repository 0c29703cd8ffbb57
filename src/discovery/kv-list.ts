import { Code } from "@connectrpc/connect";
import type { Bus, BusMessage } from "../bus/bus.ts";
import { fault } from "../rpc/error.ts";
import { randomId } from "../rpc/ids.ts";
import type { BucketEntry } from "./bucket.ts";
import { directEntry, type KvEntry, withAges } from "./kv-entry.ts";
import type { KvNames } from "./kv-names.ts";

/** How many entries are asked for at once: few enough for a slow connection, enough that round trips do not matter. */
const BATCH = 256;
const NOT_FOUND = 404;

const encoder = new TextEncoder();

/** How to list a bucket. */
export interface ListOptions {
  readonly inboxPrefix: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs: number;
}

/**
 * Reads all entries whose key fits a pattern, with nothing but the right to read directly: a consumer, as `nats kv` makes one,
 * would let a restricted user choose where the broker publishes. What is written meanwhile moves to the end and is met there.
 */
export async function listEntries(bus: Bus, names: KvNames, pattern: string, options: ListOptions): Promise<BucketEntry[]> {
  const { signal, timeoutMs, inboxPrefix } = options;
  const subject = `$JS.API.DIRECT.GET.${names.stream}`;
  const filter = `${names.prefix}${pattern}`;
  const deadline = performance.now() + timeoutMs;
  // The first is asked for alone: `request` is what learns that the broker refuses, or that there is no such bucket.
  const first = await bus.request(subject, query({ seq: 1, next_by_subj: filter }), { signal, timeoutMs });
  const found = new Map<string, KvEntry>();
  const add = (message: BusMessage) => {
    const entry = directEntry(message, names.prefix);
    found.set(entry.entry.key, entry);
    return entry.entry.revision;
  };
  if (first.status === NOT_FOUND) return [];
  let last = add(first);
  for (;;) {
    const page = query({ seq: last + 1, next_by_subj: filter, batch: BATCH });
    const messages = await requestMany(bus, subject, page, { inboxPrefix, signal, timeoutMs: deadline - performance.now() });
    if (messages.length === 0) break;
    for (const message of messages) last = Math.max(last, add(message));
  }
  // The newest write is as near to the broker's present time as can be told from here.
  const entries = [...found.values()];
  const now = entries.reduce((latest, { storedAtMs }) => storedAtMs > latest ? storedAtMs : latest, -Infinity);
  return withAges(entries, now);
}

function query(body: { seq: number; next_by_subj: string; batch?: number }): Uint8Array {
  return encoder.encode(JSON.stringify(body));
}

/** The messages that answer one direct get of several. */
async function requestMany(bus: Bus, subject: string, payload: Uint8Array, options: ListOptions): Promise<BusMessage[]> {
  const { signal, timeoutMs, inboxPrefix } = options;
  const inbox = `${inboxPrefix}.${randomId()}`;
  const { promise, resolve, reject } = Promise.withResolvers<BusMessage[]>();
  const messages: BusMessage[] = [];
  const subscription = bus.subscribe(inbox, (message) => {
    if (message.status !== undefined) {
      // 204 ends a batch, 404 means that nothing follows; 503 that the bucket has gone or lost its leader.
      if (message.status === 204 || message.status === NOT_FOUND) resolve(messages);
      else reject(fault(`Cannot list a bucket: the broker answered ${message.status}`, Code.Unavailable));
      return;
    }
    messages.push(message);
    // Before 2.11 the broker answers with one message and no end.
    if (message.header("Nats-Num-Pending") === undefined) resolve(messages);
  });
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(
    () => reject(fault("Cannot list a bucket: the broker's answer did not come in time", Code.DeadlineExceeded)),
    Math.max(1, timeoutMs),
  );
  try {
    bus.publish(subject, payload, { reply: inbox });
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    subscription.unsubscribe();
  }
}
