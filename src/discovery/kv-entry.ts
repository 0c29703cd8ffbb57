import type { BusMessage } from "../bus/bus.ts";
import type { BucketEntry } from "./bucket.ts";

/** An entry with the broker's time of its writing, which becomes an age once the broker's present time is known. */
export interface KvEntry {
  readonly entry: BucketEntry;
  /** Milliseconds by the broker's clock; NaN when it did not say. */
  readonly storedAtMs: number;
}

/** Reads an answer to a direct get. */
export function directEntry(message: BusMessage, prefix: string): KvEntry {
  const subject = message.header("Nats-Subject") ?? "";
  const revision = Number(message.header("Nats-Sequence"));
  return {
    entry: entryOf(message, subject.slice(prefix.length), revision),
    storedAtMs: Date.parse(message.header("Nats-Time-Stamp") ?? ""),
  };
}

/** What a consumer says about a message that it delivers. */
export interface Delivery {
  /** The message's place in the stream. */
  readonly revision: number;
  /** Its place among what this consumer delivered, from 1. */
  readonly sequence: number;
  /** Milliseconds by the broker's clock. */
  readonly storedAtMs: number;
  /** How many follow. */
  readonly pending: number;
}

/**
 * Reads the reply subject of a delivered message: `$JS.ACK.<stream>.<consumer>.<tries>.<revision>.<sequence>.<ns>.<pending>`,
 * or the form with domain and account before the stream and a random token at the end. `undefined` when it is neither.
 */
export function deliveryOf(message: BusMessage): Delivery | undefined {
  const tokens = message.reply?.split(".") ?? [];
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK" || tokens.length < 9) return undefined;
  const [revision, sequence, time, pending] = tokens.slice(tokens.length === 9 ? 5 : 7).map(Number);
  if (revision === undefined || sequence === undefined || time === undefined || pending === undefined) return undefined;
  return { revision, sequence, storedAtMs: time / 1e6, pending };
}

/** A message of the bucket as an entry. */
export function entryOf(message: BusMessage, key: string, revision: number): BucketEntry {
  // Copied: what arrived aliases a larger buffer, and entries are kept.
  return { key, revision, value: message.payload.slice(), deleted: message.payload.length > 0 ? undefined : markOf(message) };
}

/** Gives entries their age. */
export function withAges(entries: Iterable<KvEntry>, brokerNowMs: number): BucketEntry[] {
  return [...entries].map(({ entry, storedAtMs }) => {
    const ageMs = Math.max(0, brokerNowMs - storedAtMs);
    return { ...entry, ageMs: Number.isNaN(ageMs) ? undefined : ageMs };
  });
}

/** Clients mark what they delete, the broker (2.11 and later) what it drops by itself. */
function markOf(message: BusMessage): BucketEntry["deleted"] {
  if (message.header("Nats-Marker-Reason") === "MaxAge") return "expired";
  const isMark = message.header("KV-Operation") !== undefined || message.header("Nats-Marker-Reason") !== undefined;
  return isMark ? "closed" : undefined;
}
