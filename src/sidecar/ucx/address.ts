import { isIP } from "node:net";
import { invalidArgument, show } from "../../tensor/errors.ts";

/** A listener's address taken apart. */
export interface UcxHostPort {
  /** A name or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Takes `host:port` or `[v6]:port` apart.
 *
 * @throws {ConnectError} `invalid_argument`
 */
export function parseUcxAddress(address: string): UcxHostPort {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/@\s]+)):(\d{1,5})$/.exec(address);
  const port = Number(found?.[3]);
  const host = found?.[1] ?? found?.[2];
  if (host === undefined || !(port >= 1 && port <= 65_535) || (found?.[1] !== undefined && isIP(host) !== 6)) {
    throw invalidArgument(`Cannot use a UCX address: it must be "host:port" or "[IPv6 address]:port", got ${show(address)}`);
  }
  return { host, port };
}

/** Puts an address together. */
export function formatUcxAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Why two versions of UCX must not be connected; `undefined` when they may. Different minor versions refuse each other, and one of the
 * processes may end by it.
 */
export function versionRefusal(theirs: string, ours: string): string | undefined {
  const minor = (version: string) => version.split(".").slice(0, 2).join(".");
  return minor(theirs) === minor(ours) ? undefined : `UCX ${theirs} there and ${ours} here cannot talk to each other`;
}
