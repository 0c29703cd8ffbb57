/**
 * An owner's leases: what keeps a tensor's buffer alive, and for how long.
 *
 * @module
 */
import { invalidArgument } from "../tensor/errors.ts";
import { capabilityDenied, DEFAULT_MAX_LEASE_MS } from "./capability.ts";
import { REFERENCE_BYTES } from "./capability-format.ts";
import { type Expiring, ExpirySlots } from "./expiry-slots.ts";

/** How long a lease lasts from its start or its last use, unless someone says otherwise: 5 min in milliseconds. */
export const DEFAULT_LEASE_MS = 300_000;

/** Why a lease ended: its holder or its consumer gave it back, nobody used it for too long, or its owner closed. */
export type LeaseEnd = "released" | "consumed" | "expired" | "closed";

/** How to make a {@linkcode LeaseTable}. */
export interface LeaseTableOptions<B> {
  /** Called with each lease that ends, before `onFree`. It must not throw. */
  onEnd?: (lease: Lease<B>, reason: LeaseEnd) => void;
  /** Called with a buffer whose last lease has ended. It must not throw. */
  onFree: (bufferId: B) => void;
  /** How long a lease lasts from its start or its last use. Default 300,000 ms. */
  leaseMs?: number;
  /** How long a buffer can live at most, whatever is renewed and shared. Default 86,400,000 ms. */
  maxLeaseMs?: number;
  /** The clock, Unix milliseconds. Default `Date.now`. */
  nowMs?: () => number;
}

/** What a new lease is like. */
export interface LeaseOptions {
  /** How long it lasts from its start and from each use. Default: the table's. */
  leaseMs?: number;
  /** Whether {@linkcode LeaseTable.consumed} ends it. Default `false`. */
  once?: boolean;
  /** Whom it is for, in listings. Default `""`. */
  holder?: string;
}

/** A lease as it is at this moment; renewing it changes `expiresAtMs`. */
export interface Lease<B> {
  /** What names it, 16 random bytes. Do not write to it. */
  readonly reference: Uint8Array;
  /** The buffer that it keeps. */
  readonly bufferId: B;
  /** Whether it ends with the first consumer. */
  readonly once: boolean;
  /** Whom it is for, in listings. */
  readonly holder: string;
  /** How long a use renews it for. */
  readonly leaseMs: number;
  /** When it ends if nobody uses it, Unix milliseconds. */
  readonly expiresAtMs: number;
  /** When it ends for good, Unix milliseconds; the same for all leases of a buffer. */
  readonly notAfterMs: number;
}

interface MutableLease<B> extends Lease<B>, Expiring {
  expiresAtMs: number;
}

/** The name of a reference in tables and logs: 32 hexadecimal digits. */
export function referenceKey(reference: Uint8Array): string {
  let key = "";
  for (const byte of reference) key += HEX[byte];
  return key;
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** References in rows: a call for random bytes costs Node 1.9 µs, however many they are. */
class References {
  readonly #random = new Uint8Array(256 * REFERENCE_BYTES);
  #at = this.#random.length;

  next(): Uint8Array {
    if (this.#at === this.#random.length) {
      crypto.getRandomValues(this.#random);
      this.#at = 0;
    }
    return this.#random.slice(this.#at, this.#at += REFERENCE_BYTES);
  }
}

/**
 * The leases of one owner. It has no timers: call {@linkcode sweep} at {@linkcode nextExpiryMs}, or every so often. A lease past
 * its time counts as gone at once, swept or not.
 *
 * A lease is
 * - **live** from `create` or `share`; a use (`touch`) renews it, never beyond `notAfterMs` and never shortening it;
 * - **gone** after `release`, after `consumed` if it is `once`, and from `expiresAtMs` on. Nothing brings it back; its reference
 *   answers like one that never was.
 *
 * A buffer is **held** while it has a live lease, then **freed**: `onFree` is called once, and no lease can be made on it again
 * except by `create`, which starts it anew.
 */
export class LeaseTable<B = string> {
  readonly #leases = new Map<string, MutableLease<B>>();
  readonly #references = new References();
  readonly #holds = new Map<B, { leases: number; readonly notAfterMs: number }>();
  readonly #onEnd: ((lease: Lease<B>, reason: LeaseEnd) => void) | undefined;
  readonly #onFree: (bufferId: B) => void;
  readonly #leaseMs: number;
  readonly #maxLeaseMs: number;
  readonly #nowMs: () => number;
  readonly #slots = new ExpirySlots<MutableLease<B>>();

  /** @throws {ConnectError} `invalid_argument` for a time that is no integer above 0 */
  constructor(options: LeaseTableOptions<B>) {
    this.#onEnd = options.onEnd;
    this.#onFree = options.onFree;
    this.#leaseMs = checkMs("leaseMs", options.leaseMs ?? DEFAULT_LEASE_MS);
    this.#maxLeaseMs = checkMs("maxLeaseMs", options.maxLeaseMs ?? DEFAULT_MAX_LEASE_MS);
    this.#nowMs = options.nowMs ?? Date.now;
  }

  /** Leases in the table, those past their time but not swept yet included. */
  get size(): number {
    return this.#leases.size;
  }

  /**
   * Makes a lease on a buffer; on one that is held already it is one more, under the same hard maximum.
   *
   * @throws {ConnectError} `invalid_argument` for a time that is no integer above 0
   */
  create(bufferId: B, options: LeaseOptions = {}): Lease<B> {
    // Leases past their time must not hand their hard maximum on.
    if (this.#holds.has(bufferId)) this.sweep();
    return this.#add(bufferId, options);
  }

  #add(bufferId: B, options: LeaseOptions): Lease<B> {
    const leaseMs = checkMs("leaseMs", options.leaseMs ?? this.#leaseMs);
    const nowMs = Math.floor(this.#nowMs());
    let hold = this.#holds.get(bufferId);
    if (hold === undefined) this.#holds.set(bufferId, hold = { leases: 0, notAfterMs: nowMs + this.#maxLeaseMs });
    hold.leases++;
    const lease: MutableLease<B> = {
      reference: this.#references.next(),
      bufferId,
      once: options.once ?? false,
      holder: options.holder ?? "",
      leaseMs,
      expiresAtMs: Math.min(nowMs + leaseMs, hold.notAfterMs),
      notAfterMs: hold.notAfterMs,
      slot: 0,
    };
    this.#leases.set(referenceKey(lease.reference), lease);
    this.#slots.add(lease, nowMs);
    return lease;
  }

  /**
   * Makes a second lease on the buffer of a live one, without copying. It ends no later than the buffer's hard maximum.
   *
   * @throws {ConnectError} `permission_denied` when the lease is gone, as for a bad capability; `invalid_argument` for a time that
   * is no integer above 0
   */
  share(reference: Uint8Array, options: LeaseOptions = {}): Lease<B> {
    return this.#add(this.#live(reference).bufferId, options);
  }

  /** The lease, without renewing it; `undefined` when it is gone. */
  get(reference: Uint8Array): Lease<B> | undefined {
    return this.#find(reference);
  }

  /**
   * Renews a lease because it is used or asked for.
   *
   * @param leaseMs how long it shall last from now on, at least. Default: as long as it did when it was made
   * @throws {ConnectError} `permission_denied` when the lease is gone, as for a bad capability; `invalid_argument` for a time that
   * is no integer above 0
   */
  touch(reference: Uint8Array, leaseMs?: number): Lease<B> {
    if (leaseMs !== undefined) checkMs("leaseMs", leaseMs);
    const lease: MutableLease<B> = this.#live(reference);
    const wanted = Math.min(this.#nowMs() + (leaseMs ?? lease.leaseMs), lease.notAfterMs);
    if (wanted > lease.expiresAtMs) lease.expiresAtMs = wanted;
    return lease;
  }

  /** Ends a lease. Returns whether it was live; one that is gone already is no error. */
  release(reference: Uint8Array): boolean {
    return this.#give(reference, "released");
  }

  /** Ends a lease if it is `once`: the request that consumed it has been acknowledged. Returns whether it ended now. */
  consumed(reference: Uint8Array): boolean {
    return this.get(reference)?.once === true && this.#give(reference, "consumed");
  }

  /** Ends every lease whose time is over. Returns how many. Costs nothing before {@linkcode nextExpiryMs}. */
  sweep(nowMs: number = this.#nowMs()): number {
    const ended = this.#slots.takeEnded(nowMs);
    for (const lease of ended) this.#end(referenceKey(lease.reference), lease, "expired");
    return ended.length;
  }

  /** When to sweep next, Unix milliseconds; never after the first expiry, possibly before it. `undefined` without leases. */
  nextExpiryMs(): number | undefined {
    return this.#leases.size === 0 ? undefined : this.#slots.earliestMs;
  }

  /** The leases that live, without renewing them. */
  *[Symbol.iterator](): Iterator<Lease<B>> {
    const nowMs = this.#nowMs();
    for (const lease of this.#leases.values()) if (nowMs < lease.expiresAtMs) yield lease;
  }

  /** Ends every lease, for an owner that closes. */
  clear(): void {
    for (const [key, lease] of this.#leases) this.#end(key, lease, "closed");
    this.#slots.clear();
  }

  #find(reference: Uint8Array): MutableLease<B> | undefined {
    const key = referenceKey(reference);
    const lease = this.#leases.get(key);
    if (lease === undefined || this.#nowMs() < lease.expiresAtMs) return lease;
    this.#end(key, lease, "expired");
    return undefined;
  }

  #live(reference: Uint8Array): MutableLease<B> {
    const lease = this.#find(reference);
    if (lease === undefined) throw capabilityDenied();
    return lease;
  }

  #give(reference: Uint8Array, reason: LeaseEnd): boolean {
    const lease = this.#find(reference);
    if (lease === undefined) return false;
    this.#end(referenceKey(reference), lease, reason);
    return true;
  }

  #end(key: string, lease: MutableLease<B>, reason: LeaseEnd): void {
    this.#leases.delete(key);
    this.#slots.remove(lease);
    this.#onEnd?.(lease, reason);
    const hold = this.#holds.get(lease.bufferId)!;
    if (--hold.leases > 0) return;
    this.#holds.delete(lease.bufferId);
    this.#onFree(lease.bufferId);
  }
}

function checkMs(name: string, value: number): number {
  if (value > 0 && Number.isSafeInteger(value)) return value;
  throw invalidArgument(`Cannot lease a tensor: ${name} must be an integer above 0, got ${value}`);
}
