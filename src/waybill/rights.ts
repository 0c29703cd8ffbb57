/**
 * What the holder of a capability may do with a tensor.
 *
 * @module
 */
import { invalidArgument, show } from "../tensor/errors.ts";

/** `read` its bytes, `share` it by another lease, `touch` its lease to renew it, `release` the lease before its time. */
export type Right = "read" | "share" | "touch" | "release";

/** The bit of each right in a capability. */
const BITS: Readonly<Record<Right, number>> = { read: 1, share: 2, touch: 4, release: 8 };

/** Every right, as the owner gives them to whoever made the tensor. */
export const ALL_RIGHTS: readonly Right[] = Object.keys(BITS) as Right[];

/** What is left when a tensor is forwarded: the receiver must not end the sender's lease. */
export const FORWARDED_RIGHTS: readonly Right[] = ["read", "share", "touch"];

/**
 * Rights as a bit set.
 *
 * @throws {ConnectError} `invalid_argument` for an unknown right
 */
export function rightsToBits(rights: readonly Right[]): number {
  let bits = 0;
  for (const right of rights) {
    if (!Object.hasOwn(BITS, right)) {
      throw invalidArgument(`Cannot use rights: each must be one of ${ALL_RIGHTS.join(", ")}, got ${show(right)}`);
    }
    bits |= BITS[right];
  }
  return bits;
}

/** Every set of rights, by its bits. */
const SETS: readonly (readonly Right[])[] = Array.from({ length: 16 }, (_, bits) => {
  return Object.freeze(ALL_RIGHTS.filter((right) => (bits & BITS[right]) !== 0));
});

/** The rights of a bit set; unknown bits mean nothing. */
export function rightsFromBits(bits: number): readonly Right[] {
  return SETS[bits & 15]!;
}
