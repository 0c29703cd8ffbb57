/** What a good capability allows. */
export interface NativeCapability {
  /** The rights that are left, one bit each: read 1, share 2, touch 4, release 8. */
  readonly rights: number;
  /** When it ends for good, Unix milliseconds on the owner's clock. */
  readonly notAfterMs: number;
}

/** The addon's own check of capabilities, as its UCX part uses it. */
export interface CapabilityFunctions {
  /** HMAC-SHA-256. */
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array<ArrayBuffer>;
  /** Checks a capability's chain of tags; `undefined` for a false one. Looks neither at the time nor at a right. */
  verifyCapability(key: Uint8Array, reference: Uint8Array, capability: Uint8Array): NativeCapability | undefined;
}
