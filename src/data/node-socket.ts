/**
 * Where a node's sidecar is found on its own host.
 *
 * @module
 */
import { invalidArgument, show } from "../tensor/errors.ts";

/**
 * The path of a Unix socket out of a URL such as `unix:/run/waybill/node.sock`.
 *
 * @param action what fails, for the message: `Cannot attach to a sidecar`
 * @throws {ConnectError} `invalid_argument` for another kind of URL, and for a path that does not start at the root
 */
export function socketPathOf(action: string, url: string): string {
  const path = /^unix:(?:\/\/)?(\/.+)$/.exec(url)?.[1];
  if (path !== undefined) return path;
  throw invalidArgument(`${action}: the URL must be unix: and an absolute path, got ${show(url)}`);
}

/**
 * The file that holds the secret of a node's start: beside its socket, readable by its owner alone. Who sends what is in it as a
 * bearer token is one of the node's own.
 */
export function secretFileOf(socketPath: string): string {
  return `${socketPath}.secret`;
}
