import { Code, ConnectError } from "@connectrpc/connect";

const MAX_WINDOW_ITEMS = 64;
const MIN_WINDOW_ITEMS = 8;
/** Small items cost the broker some hundred bytes each beside their payload: what waits for one connection must stay far below its limit. */
const ITEMS_OF_ALL = 32_768;
/** With the item that may pass it, so that a large tensor never has more than 4 MB on its way. */
const MAX_WINDOW_BYTES = 3.5 * 1024 * 1024;
const MIN_WINDOW_BYTES = 64 * 1024;

/** Bytes that may be on their way to one of so many streams that share a connection's window. */
export function shareOf(windowBytes: number, streams: number): number {
  return Math.max(MIN_WINDOW_BYTES, Math.min(MAX_WINDOW_BYTES, Math.floor(windowBytes / (streams + 1))));
}

/** Items that may be on their way to one of so many streams, or wait for its reader. */
export function itemsShareOf(streams: number): number {
  return Math.max(MIN_WINDOW_ITEMS, Math.min(MAX_WINDOW_ITEMS, Math.floor(ITEMS_OF_ALL / (streams + 1))));
}

/** What the reading half of a stream needs of its call. */
export interface InboundOwner {
  /** Its share of the connection's byte window now; it shrinks as streams are opened. */
  shareBytes(): number;
  /** The same of items. */
  shareItems(): number;
  /** The reader has taken so much that the writer is to be told of new totals. */
  onCredit(): void;
}

/**
 * The reading half of a stream, on either side: what has come in order and waits for its reader. The far side sends within the
 * credit it was given, so what waits here is bounded. Credits are totals since the call began: a lost one does no harm, the
 * next says more.
 */
export class Inbound<T extends { readonly payload: Uint8Array }> implements AsyncIterableIterator<T> {
  readonly #owner: InboundOwner;
  readonly #items: T[] = [];
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void } | undefined;
  #end: { error: ConnectError | undefined } | undefined;
  #received = 0;
  #receivedBytes = 0;
  #taken = 0;
  #takenBytes = 0;
  readonly #firstItems: number;
  #grantedItems: number;
  #grantedBytes: number;

  constructor(
    owner: InboundOwner,
    grantedBytes: number = owner.shareBytes(),
    grantedItems: number = owner.shareItems(),
  ) {
    this.#owner = owner;
    this.#grantedBytes = grantedBytes;
    this.#firstItems = this.#grantedItems = grantedItems;
  }

  /** Items that came so far. */
  get received(): number {
    return this.#received;
  }
  /** Items that the writer may send, in total since the call began. */
  get grantedItems(): number {
    return this.#grantedItems;
  }
  /** Bytes that the writer may send; its last item may pass them. */
  get grantedBytes(): number {
    return this.#grantedBytes;
  }
  /** Whether that is more than it was at first. */
  get grantedMore(): boolean {
    return this.#grantedItems > this.#firstItems;
  }
  /** Whether nothing follows. */
  get ended(): boolean {
    return this.#end !== undefined;
  }
  /** Whether the next item is within the credit that was given. */
  get permits(): boolean {
    return this.#received < this.#grantedItems && this.#receivedBytes < this.#grantedBytes;
  }

  /** Takes the item that follows. */
  push(item: T): void {
    this.#received++;
    this.#receivedBytes += item.payload.length;
    const waiting = this.#waiting;
    if (waiting === undefined) this.#items.push(item);
    else {
      this.#waiting = undefined;
      this.#took(item);
      waiting.resolve({ done: false, value: item });
    }
  }

  /** Nothing follows what has come: the reader reads it, then the error is thrown once. Only the first end counts. */
  finish(error: ConnectError | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    this.#end = { error: undefined };
    if (error === undefined) waiting.resolve({ done: true, value: undefined });
    else waiting.reject(error);
  }

  next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) {
      this.#took(item);
      return Promise.resolve({ done: false, value: item });
    }
    if (this.#end !== undefined) {
      const { error } = this.#end;
      this.#end = { error: undefined };
      return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
    }
    if (this.#waiting !== undefined) {
      return Promise.reject(new ConnectError("Cannot read a stream twice at once", Code.FailedPrecondition));
    }
    return new Promise((resolve, reject) => this.#waiting = { resolve, reject });
  }

  /** The reader wants no more; what waits for it is dropped. */
  return(): Promise<IteratorResult<T>> {
    this.#items.length = 0;
    this.finish(undefined);
    this.#end = { error: undefined };
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #took(item: T): void {
    this.#taken++;
    this.#takenBytes += item.payload.length;
    if (this.ended) return;
    const share = this.#owner.shareBytes();
    const items = this.#owner.shareItems();
    const half = this.#taken + items / 2 >= this.#grantedItems || this.#takenBytes + share / 2 >= this.#grantedBytes;
    if (!half) return;
    this.#grantedItems = Math.max(this.#grantedItems, this.#taken + items);
    this.#grantedBytes = Math.max(this.#grantedBytes, this.#takenBytes + share);
    this.#owner.onCredit();
  }
}
