/**
 * Capabilities: proofs that their holder may use a tensor. Bearer secrets: never log or show one.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { invalidArgument } from "../tensor/errors.ts";
import {
  formatCapability,
  MAX_CAPABILITY_BYTES,
  MAX_CAVEATS,
  parseCapability,
  REFERENCE_BYTES,
  remainingBits,
  signedBytes,
} from "./capability-format.ts";
import { equalTags, type Signer, signerWith } from "./hmac.ts";
import { type Right, rightsFromBits, rightsToBits } from "./rights.ts";

/** How long a capability can last at most, unless its owner says otherwise: 24 h in milliseconds. */
export const DEFAULT_MAX_LEASE_MS = 86_400_000;

/** Verified capabilities that an issuer remembers. */
const CACHE_ENTRIES = 4096;

/** What a capability turned out to allow. */
export interface VerifiedCapability {
  /** The rights that are left. */
  readonly rights: readonly Right[];
  /** When it ends for good, Unix milliseconds on the owner's clock. A capability made from it must not last longer. */
  readonly notAfterMs: number;
}

/** How to make a {@linkcode CapabilityIssuer}. */
export interface CapabilityIssuerOptions {
  /** The key, 32 random bytes, for an owner whose native part checks capabilities too. Default: a new one. */
  key?: Uint8Array;
}

/** An owner's issuer and checker of capabilities. Its key lives as long as it does; with it, every capability dies. */
export class CapabilityIssuer {
  readonly #sign: Signer;
  // Facts about this key, never stale: leases and times are checked elsewhere. The oldest entry leaves first.
  readonly #cache = new Map<string, VerifiedCapability>();

  private constructor(key: Uint8Array<ArrayBuffer>) {
    this.#sign = signerWith(key);
  }

  /**
   * Makes an issuer with a random key of its own.
   *
   * @throws {ConnectError} `invalid_argument` for a given key that has not 32 bytes
   */
  static create(options: CapabilityIssuerOptions = {}): CapabilityIssuer {
    const key = options.key === undefined ? crypto.getRandomValues(new Uint8Array(32)) : new Uint8Array(options.key);
    if (key.length !== 32) throw invalidArgument(`Cannot make a capability issuer: key must have 32 bytes, got ${key.length}`);
    return new CapabilityIssuer(key);
  }

  /**
   * Makes a capability.
   *
   * @param reference the lease, 16 bytes
   * @param rights what its holder may do
   * @param notAfterMs when it ends for good, Unix milliseconds on this machine's clock; the lease's `notAfterMs`
   * @throws {ConnectError} `invalid_argument` for a reference of another size, an unknown right and a time that is no integer
   */
  async issue(reference: Uint8Array, rights: readonly Right[], notAfterMs: number): Promise<Uint8Array<ArrayBuffer>> {
    if (reference.length !== REFERENCE_BYTES) {
      throw invalidArgument(
        `Cannot issue a capability: reference must have ${REFERENCE_BYTES} bytes, got ${reference.length}`,
      );
    }
    if (!Number.isSafeInteger(notAfterMs) || notAfterMs < 0) {
      throw invalidArgument(`Cannot issue a capability: notAfterMs must be an integer from 0, got ${notAfterMs}`);
    }
    const issuedBits = rightsToBits(rights);
    const tag = await this.#sign(signedBytes(reference, issuedBits, notAfterMs));
    const capability = formatCapability({ issuedBits, notAfterMs, caveats: new Uint8Array(0), tag });
    this.#remember(cacheKey(reference, capability), issuedBits, notAfterMs);
    return capability;
  }

  /**
   * Checks that a capability is this issuer's, for this reference, not past its time, and that it holds a right. Each failure
   * throws the same error, so that nobody learns what exists.
   *
   * @param nowMs Unix milliseconds on this machine's clock
   * @throws {ConnectError} `permission_denied`
   */
  async verify(capability: Uint8Array, reference: Uint8Array, right: Right, nowMs: number): Promise<VerifiedCapability> {
    if (capability.length > MAX_CAPABILITY_BYTES || reference.length !== REFERENCE_BYTES) throw capabilityDenied();
    const key = cacheKey(reference, capability);
    const known = this.#cache.get(key) ?? (await this.#check(key, capability, reference));
    // Not >=, so that a time that is no number fails.
    if (known === undefined || !(nowMs < known.notAfterMs) || !known.rights.includes(right)) throw capabilityDenied();
    return known;
  }

  async #check(key: string, capability: Uint8Array, reference: Uint8Array): Promise<VerifiedCapability | undefined> {
    const parts = parseCapability(capability);
    if (parts === undefined) return undefined;
    const first = await this.#sign(signedBytes(reference, parts.issuedBits, parts.notAfterMs));
    const tag = await extendChain(first, parts.caveats);
    if (!equalTags(tag, parts.tag)) return undefined;
    return this.#remember(key, remainingBits(parts), parts.notAfterMs);
  }

  #remember(key: string, bits: number, notAfterMs: number): VerifiedCapability {
    if (this.#cache.size >= CACHE_ENTRIES) this.#cache.delete(this.#cache.keys().next().value!);
    const entry: VerifiedCapability = { rights: rightsFromBits(bits), notAfterMs };
    this.#cache.set(key, entry);
    return entry;
  }
}

/**
 * A capability with only those of its rights that are among `rights`; needs no key. What it cannot check it leaves to the owner: a
 * false capability stays one.
 *
 * @throws {ConnectError} `invalid_argument` for bytes that are no capability, an unknown right and more than 8 restrictions
 */
export async function attenuateCapability(capability: Uint8Array, rights: readonly Right[]): Promise<Uint8Array<ArrayBuffer>> {
  const caveat = rightsToBits(rights);
  const parts = parseCapability(capability);
  // No value seen: it is a secret.
  if (parts === undefined) throw invalidArgument("Cannot restrict a capability: it must be a whole one, got other bytes");
  const before = remainingBits(parts);
  if ((before & caveat) === before) return new Uint8Array(capability);
  if (parts.caveats.length >= MAX_CAVEATS) {
    throw invalidArgument(`Cannot restrict a capability: it must have at most ${MAX_CAVEATS} restrictions, got one more`);
  }
  const added = new Uint8Array([caveat]);
  const tag = await extendChain(parts.tag, added);
  const caveats = new Uint8Array([...parts.caveats, caveat]);
  return formatCapability({ issuedBits: parts.issuedBits, notAfterMs: parts.notAfterMs, caveats, tag });
}

/** The one answer to every capability and every reference that is not good: bad, foreign, dead or without the right. */
export function capabilityDenied(): ConnectError {
  return new ConnectError("Cannot use the tensor: it needs a valid capability for this, got none", Code.PermissionDenied);
}

async function extendChain(
  tag: Uint8Array<ArrayBuffer>,
  caveats: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  for (const caveat of caveats) tag = await signerWith(tag)(new Uint8Array([caveat]));
  return tag;
}

/** Of bytes that have one length each, or differ before the end: the reference is always as long. One character for one byte. */
function cacheKey(reference: Uint8Array, capability: Uint8Array): string {
  return String.fromCharCode.apply(null, reference as unknown as number[]) +
    String.fromCharCode.apply(null, capability as unknown as number[]);
}
