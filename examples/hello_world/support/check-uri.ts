import { Code, ConnectError } from "../../../mod.ts";

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Refuses a request plane's URI that cannot be what is asked for.
 *
 * @param start whether a broker is to be started there: on this machine then, with a port
 */
export function checkUri(uri: string, start: boolean): void {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  const known = url !== undefined && ["nats:", "tls:", "ws:", "wss:"].includes(url.protocol);
  if (!known) throw refusal(`it needs the scheme nats://, tls://, ws:// or wss://, got "${uri}"`);
  if (!start) return;
  if (!["nats:", "ws:"].includes(url.protocol)) throw refusal(`a broker is started for nats:// or ws://, got "${uri}"`);
  if (!LOOPBACK.includes(url.hostname)) throw refusal(`a broker is started on this machine alone, got "${url.hostname}"`);
  if (url.port === "") throw refusal(`it needs a port, got "${uri}"`);
}

function refusal(text: string): ConnectError {
  return new ConnectError(`Cannot use --request-plane-uri: ${text}`, Code.InvalidArgument);
}
