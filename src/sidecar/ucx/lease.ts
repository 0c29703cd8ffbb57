import type { NativeAddon, UcxWireHandle } from "../../native/mod.ts";
import type { TensorFacts } from "./records.ts";
import type { UcxMemory } from "./memory.ts";

/** What to publish. */
export interface UcxPublication extends TensorFacts {
  /** The lease, 16 random bytes. */
  readonly reference: Uint8Array;
  /** Where the bytes are. */
  readonly memory: UcxMemory;
  /** Where they begin in it. */
  readonly offset: number;
  /** How many they are. */
  readonly byteSize: number;
  /** When the lease ends if nobody uses it, Unix milliseconds. */
  readonly expiresAtMs: number;
  /** When it ends for good, Unix milliseconds. */
  readonly notAfterMs: number;
  /** How long a use renews it for. */
  readonly leaseMs: number;
}

/** What a lease asks of its wire. */
interface LeaseOwner {
  /** Settles when its bytes are free. */
  freed(): Promise<void>;
  /** Its bytes are free. */
  ended(): void;
  /** Whether the wire may be used. */
  open(): boolean;
}

const PINNED = 2;

/** A lease that peers can read by, until it is withdrawn or its time is over. */
export class UcxLease {
  /** What names it, 16 bytes. */
  readonly reference: Uint8Array;
  readonly #addon: NativeAddon;
  readonly #wire: UcxWireHandle;
  readonly #owner: LeaseOwner;
  #withdrawn = false;

  /** @internal */
  constructor(
    addon: NativeAddon,
    wire: UcxWireHandle,
    reference: Uint8Array,
    owner: LeaseOwner,
  ) {
    this.#addon = addon;
    this.#wire = wire;
    this.reference = reference;
    this.#owner = owner;
  }

  /** Moves its end away, never towards. */
  renew(expiresAtMs: number): void {
    if (!this.#withdrawn && this.#owner.open()) this.#addon.ucxRenew(this.#wire, this.reference, expiresAtMs);
  }

  /**
   * Ends it: from now on it is unknown. Its bytes may be used for something else at once when this returns `undefined`, else when
   * the promise settles, which is after the last of what was being sent.
   */
  withdraw(): Promise<void> | undefined {
    if (this.#withdrawn) return undefined;
    this.#withdrawn = true;
    // A wire that closes has stopped answering, and ends what it was sending.
    if (!this.#owner.open()) return this.#owner.freed();
    if (this.#addon.ucxWithdraw(this.#wire, this.reference) === PINNED) return this.#owner.freed();
    this.#owner.ended();
    return undefined;
  }
}
