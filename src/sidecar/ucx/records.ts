/**
 * What the addon's records hold, little-endian. `native/src/node/ucx_records.cc` is the other side.
 *
 * @module
 */
import { UCX_FETCH_RECORD_BYTES, UCX_LEASE_RECORD_BYTES } from "../../native/mod.ts";
import { type DType, DTYPES } from "../../tensor/dtype.ts";

const CODES: ReadonlyMap<DType, number> = new Map(DTYPES.map((dtype, index) => [dtype, index + 1]));

/** What both sides compare before a byte moves. */
export interface TensorFacts {
  /** What its elements are. */
  readonly dtype: DType;
  /** Its dimensions. */
  readonly shape: readonly number[];
}

/** What a fetch record holds. */
export interface FetchRecord extends TensorFacts {
  readonly token: number;
  readonly peer: number;
  readonly memory: number;
  readonly timeoutMs: number;
  readonly destination: number;
  readonly offset: number;
  readonly length: number;
  readonly byteSize: number;
  readonly reference: Uint8Array;
  readonly capability: Uint8Array;
}

/** What a lease record holds. */
export interface LeaseRecord extends TensorFacts {
  readonly id: number;
  readonly reference: Uint8Array;
  readonly memory: number;
  readonly offset: number;
  readonly byteSize: number;
  readonly expiresAtMs: number;
  readonly notAfterMs: number;
  readonly leaseMs: number;
}

/** Writes fetch records one after the other into one array. */
export class FetchRecords {
  /** Records that fit. */
  readonly capacity: number;
  /** The array. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #count = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.bytes = new Uint8Array(capacity * UCX_FETCH_RECORD_BYTES);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Records that are there. */
  get count(): number {
    return this.#count;
  }

  /** Adds one. There must be room. */
  add(record: FetchRecord): void {
    const view = this.#view;
    const at = this.#count++ * UCX_FETCH_RECORD_BYTES;
    view.setUint32(at, record.token, true);
    view.setUint32(at + 4, record.peer, true);
    view.setUint32(at + 8, record.memory, true);
    view.setUint32(at + 12, record.timeoutMs, true);
    view.setFloat64(at + 16, record.destination, true);
    view.setFloat64(at + 24, record.offset, true);
    view.setFloat64(at + 32, record.length, true);
    view.setFloat64(at + 40, record.byteSize, true);
    writeLayout(view, at + 48, record.shape);
    view.setUint8(at + 56, CODES.get(record.dtype) ?? 0);
    view.setUint8(at + 57, record.capability.length);
    this.bytes.set(record.reference, at + 58);
    this.bytes.set(record.capability, at + 74);
  }

  /** Takes how many there are, and begins anew. */
  take(): number {
    const count = this.#count;
    this.#count = 0;
    return count;
  }
}

/** Writes a lease record over the one before. */
export class LeaseRecords {
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(UCX_LEASE_RECORD_BYTES);
  readonly #view: DataView = new DataView(this.bytes.buffer);

  /** The record's bytes, until the next one. */
  write(record: LeaseRecord): Uint8Array {
    const view = this.#view;
    view.setFloat64(0, record.id, true);
    view.setFloat64(8, record.offset, true);
    view.setFloat64(16, record.byteSize, true);
    view.setFloat64(24, record.expiresAtMs, true);
    view.setFloat64(32, record.notAfterMs, true);
    view.setFloat64(40, record.leaseMs, true);
    writeLayout(view, 48, record.shape);
    view.setUint32(56, record.memory, true);
    view.setUint8(60, CODES.get(record.dtype) ?? 0);
    this.bytes.set(record.reference, 72);
    return this.bytes;
  }
}

/** What shapes are told apart by: two FNV hashes over the dimensions, 64 bits together. */
function writeLayout(view: DataView, at: number, shape: readonly number[]): void {
  let low = 0x811c9dc5 ^ shape.length;
  let high = 0x9747b28c ^ shape.length;
  for (let i = 0; i < shape.length; i++) {
    const dim = shape[i]!;
    const upper = Math.floor(dim / 0x100000000);
    low = Math.imul(low ^ (dim >>> 0), 0x01000193);
    high = Math.imul(high ^ (dim >>> 0), 0x85ebca6b);
    low = Math.imul(low ^ upper ^ (low >>> 15), 0x01000193);
    high = Math.imul(high ^ upper ^ (high >>> 13), 0xc2b2ae35);
  }
  view.setUint32(at, low >>> 0, true);
  view.setUint32(at + 4, high >>> 0, true);
}
