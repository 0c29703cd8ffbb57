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

/** The first value of a header; names are compared as they are written. */
export function headerOf({ hdrs = "" }: StoredMessage, name: string): string | undefined {
  const line = atob(hdrs).split("\r\n").find((header) => header.startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim();
}

/** The payload's bytes. */
export function payloadOf({ data = "" }: StoredMessage): Uint8Array {
  return Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
}
