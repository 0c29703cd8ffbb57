/** An open wire. Every function refuses one that was released. */
export interface UcxWireHandle {
  readonly __wire: unique symbol;
}

/** What became of opening the library. */
export type UcxLoaded =
  | { readonly path: string; readonly version: string; readonly unavailable?: undefined }
  | { readonly unavailable: string };

/** Doubles of a record of what happened: its kind, then four that depend on it. `native/src/ucx/completions.h` lists them. */
export const UCX_EVENT_DOUBLES = 5;

/** Bytes of a record that asks for a tensor. */
export const UCX_FETCH_RECORD_BYTES = 128;

/** Bytes of a record that publishes a lease. */
export const UCX_LEASE_RECORD_BYTES = 88;

/** The addon's functions for UCX. None waits: what takes time is told later, see {@linkcode UCX_EVENT_DOUBLES}. */
export interface UcxFunctions {
  /**
   * Opens the first of these libraries, one path a line, that can be opened; one that ever was is kept for the life of the process.
   * Sets those of UCX's environment variables that only count before, where nobody has.
   */
  ucxLoad(paths: string): UcxLoaded;
  /**
   * Starts a progress thread that opens a wire and listens.
   *
   * @param records what `told` finds filled with so many records
   * @param host an IP address
   * @param settings of UCX, `NAME=value` a line without their prefix
   * @param key 32 bytes, what the node's capabilities are signed with
   * @throws {Error} `ERR_NO_UCX` before {@linkcode ucxLoad}, `EINVAL`
   */
  ucxOpen(
    records: Float64Array,
    told: (count: number) => void,
    host: string,
    port: number,
    settings: string,
    key: Uint8Array,
    pieceBytes: number,
    windowPieces: number,
    spinMicros: number,
    connectMs: number,
    stallMs: number,
  ): UcxWireHandle;
  /** Has the thread end. The last that it tells is that it has. */
  ucxClose(wire: UcxWireHandle): void;
  /** Begins or ends a wait for what is told, which keeps the runtime alive; fetches do so by themselves. */
  ucxAwait(wire: UcxWireHandle, begins: boolean): void;
  /** Lets go of a wire, and ends its thread first if nobody has. */
  ucxRelease(wire: UcxWireHandle): void;
  /** Gives a peer's listener a number. */
  ucxAddPeer(wire: UcxWireHandle, peer: number, host: string, port: number): void;
  /** Registers memory under a number, and keeps its buffer from being collected until {@linkcode ucxForgetMemory}. */
  ucxAddMemory(wire: UcxWireHandle, memory: number, bytes: Uint8Array): void;
  /** Registers a GPU's memory. */
  ucxAddDeviceMemory(wire: UcxWireHandle, memory: number, address: number, byteLength: number, device: number): void;
  /** Removes a memory, once nothing reads or writes it. */
  ucxRemoveMemory(wire: UcxWireHandle, memory: number): void;
  /** Lets the buffer of a memory that was removed be collected. */
  ucxForgetMemory(wire: UcxWireHandle, memory: number): void;
  /** Fetches tensors: `count` records of {@linkcode UCX_FETCH_RECORD_BYTES}. */
  ucxFetch(wire: UcxWireHandle, records: Uint8Array, count: number): void;
  /** Gives a fetch up. */
  ucxCancel(wire: UcxWireHandle, token: number): void;
  /** Publishes a lease: a record of {@linkcode UCX_LEASE_RECORD_BYTES}. In force when it returns. */
  ucxPublish(wire: UcxWireHandle, record: Uint8Array): void;
  /** Moves a lease's end away, never towards. */
  ucxRenew(wire: UcxWireHandle, reference: Uint8Array, expiresAtMs: number): void;
  /** Ends a lease: 0 there was none, 1 its bytes are free, 2 they are being sent, and their end is told. */
  ucxWithdraw(wire: UcxWireHandle, reference: Uint8Array): number;
  /** Asks for a description. */
  ucxDescribe(wire: UcxWireHandle, question: number): void;
  /** Takes the text that belongs to a question. */
  ucxTakeText(wire: UcxWireHandle, question: number): string;
  /** UCX's text for one of its statuses. */
  ucxStatusText(status: number): string;
}
