/**
 * What `http-get-node.ts` is in bundles for browsers and workerd (`browser` in package.json), which have `fetch` alone.
 *
 * @module
 */
import type { HttpGet } from "./http-get.ts";

/** Finds nothing. */
export function nodeGet(): { get: HttpGet; close: () => void } | undefined {
  return undefined;
}
