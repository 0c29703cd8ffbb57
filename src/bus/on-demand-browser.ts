/**
 * What `on-demand.ts` is in bundles for browsers and workerd (`browser` in package.json): they need websockets and nothing else, and
 * what a bundle loads on demand costs it wrappers around all that this shares with the rest, 2.6 KB gzipped (esbuild 0.28).
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Dialler } from "./dial.ts";
import type { BusOptions } from "./options.ts";
import { webSocketDialler } from "./websocket.ts";

/** Gives what dials websockets. */
export async function loadWebSocket(options: BusOptions): Promise<Dialler> {
  return await webSocketDialler(options);
}

/**
 * Refuses: the bundle runs where there is TCP, and was made without.
 *
 * @throws {ConnectError} `failed_precondition`
 */
export function loadTcp(): Promise<Dialler> {
  const message = "Cannot connect to the broker: this bundle was made without TCP, give a wss:// or ws:// URL";
  return Promise.reject(new ConnectError(message, Code.FailedPrecondition));
}

/** Finds nothing: a bundle reads no files. */
export function findLocalLogins(): Promise<undefined> {
  return Promise.resolve(undefined);
}
