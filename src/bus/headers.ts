import type { BusHeaders } from "./bus.ts";

const preamble = "NATS/1.0\r\n";

/** How many bytes headers take in a message: the broker counts them as payload. */
export function headersByteLength(headers: BusHeaders): number {
  let size = preamble.length + 2;
  for (const name in headers) size += name.length + headers[name]!.length + 4;
  return size;
}
