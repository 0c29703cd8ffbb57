import type { LentBytes } from "./lent.ts";
import type { Waybill } from "../waybill/descriptor.ts";
import type { Way } from "../waybill/way.ts";

/** The owner is in this process. */
export interface LocalWay {
  /** Tells the ways apart. */
  readonly kind: "local";
}

/** A way that a handler may be asked to take. */
export type AnyWay = Way | LocalWay;

/** The name of a kind of way. */
export type WayKind = AnyWay["kind"];

/** What to read. */
export interface ReadRequest<W extends AnyWay = AnyWay> {
  /** The tensor. */
  readonly waybill: Waybill;
  /** The way to take. */
  readonly way: W;
  /** Where to start, within the tensor. */
  readonly offset: number;
  /** Bytes to read; the range lies within the tensor. */
  readonly length: number;
  /** Ends the reading. */
  readonly signal: AbortSignal | undefined;
}

/** Knows how to read tensors by one kind of way. A native part adds its own for `shm` and `ucx`. */
export interface WayHandler<W extends AnyWay = AnyWay> {
  /** The kind of way. */
  readonly kind: W["kind"];
  /** Why a way cannot be taken from here, such as `"another host"`; `undefined` when it can. */
  refusal(way: W, waybill: Waybill): string | undefined;
  /**
   * Reads exactly the bytes asked for; lent ones are given back by whoever gets them. The caller checks their number again.
   *
   * @throws {ConnectError} `permission_denied` when the owner says so; anything else makes the next way be tried
   */
  read(request: ReadRequest<W>): Promise<Uint8Array | LentBytes>;
  /** Lets go of what it keeps open. */
  close?(): void;
}
