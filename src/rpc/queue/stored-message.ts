import type { Bus } from "../../bus/bus.ts";
import { ApiErrorCode, type ApiOptions, callApi, isApiError } from "./jetstream-api.ts";

/** A message as `STREAM.MSG.GET` answers it. */
export interface StoredMessage {
  readonly subject: string;
  readonly seq: number;
  /** When it was stored, RFC 3339. */
  readonly time: string;
  /** Its payload in base64; left out when it is empty. */
  readonly data?: string;
  /** Its headers as they stand on the wire, in base64. */
  readonly hdrs?: string;
}

/** Which message to get: the one with this number, the first from there on whose subject fits, or the last of a subject. */
export type MessageQuery =
  | { readonly seq: number }
  | { readonly seq: number; readonly next_by_subj: string }
  | { readonly last_by_subj: string };

/** Reads one stored message; `undefined` where there is none, or no such stream. */
export async function getStored(
  bus: Bus,
  stream: string,
  query: MessageQuery,
  options?: ApiOptions,
): Promise<StoredMessage | undefined> {
  try {
    return (await callApi<{ message: StoredMessage }>(bus, `STREAM.MSG.GET.${stream}`, query, options)).message;
  } catch (error) {
    if (isApiError(error, ApiErrorCode.messageNotFound) || isApiError(error, ApiErrorCode.streamNotFound)) return undefined;
    throw error;
  }
}

/** Reads the messages of a stream one after the other, without leaving a consumer behind. */
export async function* storedMessages(
  bus: Bus,
  stream: string,
  filter: string,
  options?: ApiOptions,
): AsyncGenerator<StoredMessage> {
  for (let seq = 1;;) {
    const message = await getStored(bus, stream, { seq, next_by_subj: filter }, options);
    if (message === undefined) return;
    yield message;
    seq = message.seq + 1;
  }
}

/** The first value of a header; names are compared as they are written. */
export function headerOf({ hdrs = "" }: StoredMessage, name: string): string | undefined {
  const line = atob(hdrs).split("\r\n").find((header) => header.startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim();
}

/** The payload's bytes. */
export function payloadOf({ data = "" }: StoredMessage): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
}

/** Deletes a message; `false` when it was not there any more. */
export async function deleteStored(bus: Bus, stream: string, seq: number, options?: ApiOptions): Promise<boolean> {
  try {
    await callApi(bus, `STREAM.MSG.DELETE.${stream}`, { seq, no_erase: true }, options);
    return true;
  } catch (error) {
    if (isApiError(error, ApiErrorCode.messageNotFound) || isApiError(error, ApiErrorCode.streamNotFound)) return false;
    // What brokers say of a message that was deleted a moment ago.
    if (isApiError(error, ApiErrorCode.messageDeleteFailed)) return false;
    throw error;
  }
}
