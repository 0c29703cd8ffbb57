import type { Signer } from "./hmac.ts";

/** What `hmac-node.ts` is in bundles for browsers (`browser` in package.json): they have WebCrypto alone. */
export function nodeSigner(): Signer | undefined {
  return undefined;
}
