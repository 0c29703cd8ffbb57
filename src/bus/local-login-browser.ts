/**
 * What `local-login-node.ts` is in bundles for browsers and workerd (`browser` in package.json), which cannot read files.
 *
 * @module
 */

/** Finds nothing. */
export const findLocalLogins = undefined;
