/**
 * What `runtime-wire-node.ts` is in bundles for browsers and workerd (`browser` in package.json), which have `fetch` alone.
 *
 * @module
 */
import type { NodeWire } from "./node-wire.ts";

/** Nobody's. */
export function secretBeside(): string {
  return "";
}

/** Finds nothing. */
export function runtimeWire(): Promise<NodeWire | undefined> {
  return Promise.resolve(undefined);
}
