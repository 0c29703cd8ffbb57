import type { Logger } from "../bus/logger.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Right } from "../waybill/rights.ts";
import type { Way } from "../waybill/way.ts";

/** A lease and the proof that one may use it; a waybill is one. */
export interface TensorProof {
  /** The lease at the owner, 16 bytes. */
  readonly reference: Uint8Array;
  /** The bearer secret. */
  readonly capability: Uint8Array;
}

/** How to make a `TensorStore`. */
export interface TensorStoreOptions {
  /** The name of the node that owns the tensors: 1 to 128 letters, digits, `.`, `_`, `-`. */
  node: string;
  /**
   * Ways to reach the tensors, in the order of preference. Of an `http` way the URL is the collection's
   * (`http://host:port/v1/tensors`); each descriptor gets its own below it. Default none, see `TensorStore.advertise`.
   */
  ways?: readonly Way[];
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
  /** Gives up waiting for space when aborted. */
  signal?: AbortSignal;
}

/** How to share a tensor. */
export interface ShareOptions {
  /** How long the new lease lasts from its start and from each use. Default: the store's. */
  leaseMs?: number;
  /** Whether the new lease ends with its first consumer. Default `false`. */
  once?: boolean;
}

/** A tensor and the part of it that was asked for. */
export interface StoredTensor {
  /** The tensor itself, not a copy: do not write to it. */
  readonly tensor: Tensor;
  /** When the lease ends if nobody uses it, Unix milliseconds. */
  readonly expiresAtMs: number;
  /**
   * A part of the bytes, as long as the lease lives; each use renews it. `undefined` once it is gone. Slow readers call this for
   * each piece rather than hold the tensor, so that what they hold is no more than one piece.
   */
  slice(offset: number, length: number): Uint8Array | undefined;
}

/** What a store is and how full it is. */
export interface StoreDescription {
  /** The node. */
  readonly node: string;
  /** Ways to reach it; of `http`, the collection. */
  readonly ways: readonly Way[];
  /** Bytes that there are. */
  readonly budgetBytes: number;
  /** Bytes of all tensors and unfinished uploads. */
  readonly usedBytes: number;
  /** Leases that live. */
  readonly leases: number;
  /** Producers that wait for space. */
  readonly waiting: number;
  /** Unfinished uploads. */
  readonly uploads: number;
  /** Leases so far that ended because their time was over: nobody released them. */
  readonly leakedLeases: number;
  /** Bytes so far that only such an end gave free. */
  readonly leakedBytes: number;
}
