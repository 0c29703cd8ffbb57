import type { Logger } from "../bus/logger.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Memory } from "../waybill/descriptor.ts";
import type { Right } from "../waybill/rights.ts";
import type { SharedMemoryWay, Way } from "../waybill/way.ts";
import type { MemoryUsage, TensorMemory } from "./memory.ts";

/** A lease and the proof that one may use it; a waybill is one. */
export interface TensorProof {
  /** The lease at the owner, 16 bytes. */
  readonly reference: Uint8Array;
  /** The bearer secret. */
  readonly capability: Uint8Array;
}

/** A way that a store can offer. Of `shm` each descriptor names its own block, and only a tensor in a segment has one. */
export type StoreWay = Exclude<Way, SharedMemoryWay> | { readonly kind: "shm"; readonly host: string };

/** How to make a `TensorStore`. */
export interface TensorStoreOptions {
  /** The name of the node that owns the tensors: 1 to 128 letters, digits, `.`, `_`, `-`. */
  node: string;
  /**
   * Ways to reach the tensors, in the order of preference. Of an `http` way the URL is the collection's
   * (`http://host:port/v1/tensors`); each descriptor gets its own below it. Default none, see `TensorStore.advertise`.
   */
  ways?: readonly StoreWay[];
  /**
   * Where tensors are kept: put ones are copied there once, those from `allocate` are there already. Default: the heap, where a put
   * tensor stays as it is.
   */
  memory?: TensorMemory;
  /** What signs capabilities, 32 random bytes, where a native part checks them too. A secret. Default: a new one. */
  key?: Uint8Array;
  /** How long an allocated tensor may take until it is put; then its memory is used again. Default 600,000 ms. */
  reserveMs?: number;
  /** Bytes of all tensors and unfinished uploads. Default 1,073,741,824 (1 GiB). */
  budgetBytes?: number;
  /** How long `put` waits for space before it refuses. Default 5,000 ms. */
  putWaitMs?: number;
  /** How long a lease lasts from its start and from each use. Default 300,000 ms. */
  leaseMs?: number;
  /** How long a tensor can live at most, whatever is renewed and shared. Default 86,400,000 ms. */
  maxLeaseMs?: number;
  /** Leases at once, so that a holder cannot share without end. Default 1,000,000. */
  maxLeases?: number;
  /** Uploads at once, those that wait for space included. Default 256. */
  maxUploads?: number;
  /** Bytes of all unfinished uploads. Default: half of `budgetBytes`. */
  maxUploadBytes?: number;
  /** Silence after which an upload is given up. Default 30,000 ms. */
  uploadIdleMs?: number;
  /** Default: silent. */
  logger?: Logger;
  /** The clock of the leases, Unix milliseconds. Default `Date.now`. */
  nowMs?: () => number;
}

/** How to put a tensor into a store. */
export interface PutOptions {
  /** How long the lease lasts from its start and from each use. Default: the store's. */
  leaseMs?: number;
  /** Whether the lease ends once the request that consumed it is acknowledged. Default `false`. */
  once?: boolean;
  /** What the holder of the descriptor may do. Default: everything. */
  rights?: readonly Right[];
  /** Whom it is for, in listings. Default `""`. */
  holder?: string;
  /** Gives up waiting for space when aborted. */
  signal?: AbortSignal;
}

/** How to take memory of a store. */
export interface ReserveOptions {
  /** Its size in bytes, for BYTES. Default: what dtype and shape say. */
  byteLength?: number;
  /** What kind of memory. Default: the store's. */
  memory?: Memory;
  /** The GPU's ordinal. Default 0. */
  device?: number;
  /** Gives up waiting for space when aborted. */
  signal?: AbortSignal;
}

/** How to share a tensor. */
export interface ShareOptions {
  /** How long the new lease lasts from its start and from each use. Default: the store's. */
  leaseMs?: number;
  /** Whether the new lease ends with its first consumer. Default `false`. */
  once?: boolean;
  /** Whom it is for, in listings. Default `""`. */
  holder?: string;
}

/** How to end a lease. */
export interface ReleaseOptions {
  /**
   * Whether it is because the request that had the tensor as an input was acknowledged: that ends a lease that is `once` and no other, and
   * takes the right to read. Default `false`.
   */
  consumed?: boolean;
}

/** A tensor and the part of it that was asked for. */
export interface StoredTensor {
  /** What its elements are. */
  readonly dtype: DType;
  /** Its dimensions. */
  readonly shape: readonly number[];
  /** Its size in bytes. */
  readonly byteLength: number;
  /**
   * The tensor: on the heap itself, so do not write to it; of a store with other memory a copy, made when it is asked for.
   * `TensorStore.pin` gives that memory without copying.
   */
  readonly tensor: Tensor;
  /** When the lease ends if nobody uses it, Unix milliseconds. */
  readonly expiresAtMs: number;
  /**
   * A part of the bytes, as long as the lease lives; each use renews it. `undefined` once it is gone. Slow readers call this for
   * each piece rather than hold the tensor, so that what they hold is no more than one piece. A copy where memory is used again.
   */
  slice(offset: number, length: number): Uint8Array | undefined;
}

/** What a store is and how full it is. */
export interface StoreDescription {
  /** The node. */
  readonly node: string;
  /** Ways to reach it, but for `shm`, which each tensor has its own of; of `http`, the collection. */
  readonly ways: readonly Exclude<Way, SharedMemoryWay>[];
  /** Bytes that there are. */
  readonly budgetBytes: number;
  /** Bytes of all tensors and unfinished uploads. */
  readonly usedBytes: number;
  /** Leases that live. */
  readonly leases: number;
  /** Tensors whose memory is kept by pins alone: their leases have ended. */
  readonly pinned: number;
  /** Tensors that are allocated and not put yet. */
  readonly reserved: number;
  /** How full its memory is; `undefined` on the heap. */
  readonly memory: MemoryUsage | undefined;
  /** Bytes so far that others read, by the way they took. */
  readonly servedBytes: Readonly<Partial<Record<Way["kind"], number>>>;
  /** Producers that wait for space. */
  readonly waiting: number;
  /** Unfinished uploads. */
  readonly uploads: number;
  /** Leases so far that ended because their time was over: nobody released them. */
  readonly leakedLeases: number;
  /** Bytes so far that only such an end gave free. */
  readonly leakedBytes: number;
}

/** A lease, for listings: without anything that is a secret. */
export interface LeaseListing {
  /** The beginning of its reference, 8 hexadecimal digits: enough to tell leases apart, not to use one. */
  readonly id: string;
  /** Whom it is for; `""` where nobody said. */
  readonly holder: string;
  /** What the tensor's elements are. */
  readonly dtype: DType;
  /** Its dimensions. */
  readonly shape: readonly number[];
  /** Its size in bytes. */
  readonly byteLength: number;
  /** Where its bytes live. */
  readonly memory: Memory;
  /** The GPU's ordinal; 0 elsewhere. */
  readonly device: number;
  /** When the lease ends if nobody uses it, Unix milliseconds. */
  readonly expiresAtMs: number;
  /** Whether it ends with its first consumer. */
  readonly once: boolean;
  /** Pins on its memory, of all its leases. */
  readonly pins: number;
}
