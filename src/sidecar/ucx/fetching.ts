import type { ConnectError } from "@connectrpc/connect";
import type { FetchedFrom } from "./outcome.ts";
import type { UcxMemory } from "./memory.ts";
import type { TensorFacts } from "./records.ts";

/** A tensor to ask for; a `Waybill` is one. */
export interface UcxTensor extends TensorFacts {
  /** The lease at the owner, 16 bytes. */
  readonly reference: Uint8Array;
  /** The bearer secret. */
  readonly capability: Uint8Array;
  /** Its size in bytes. */
  readonly byteSize: number;
}

/** One tensor to fetch, and where to. */
export interface UcxRequest {
  /** Which. */
  readonly waybill: UcxTensor;
  /** Its owner's listener, `host:port`. */
  readonly address: string;
  /** Where its bytes go. Nobody else may write there until they may be used, see {@linkcode UcxFetch}. */
  readonly destination: { readonly memory: UcxMemory; readonly offset: number };
  /** Where to start, within the tensor. Default 0. */
  readonly offset?: number;
  /** Bytes to read. Default: up to its end. */
  readonly length?: number;
}

/** Fetches that were asked for together. */
export interface UcxFetch {
  /** Settles when each has ended: `undefined` for those whose bytes are there, else why not. Never rejects. */
  readonly outcomes: Promise<readonly (ConnectError | undefined)[]>;
  /**
   * Settles when nothing writes to any of the destinations any more. For what was given up in the middle that is later than its
   * outcome: UCX cannot take back a receive.
   */
  readonly idle: Promise<void>;
}

/** @internal Fetches that were asked for together, while they are under way. */
export class Fetching implements UcxFetch {
  readonly outcomes: Promise<readonly (ConnectError | undefined)[]>;
  readonly #outcomes: (ConnectError | undefined)[];
  readonly #settle: (outcomes: readonly (ConnectError | undefined)[]) => void;
  #pending: number;
  #writing: number;
  #idle: PromiseWithResolvers<void> | undefined;
  /** Called when each has ended. */
  onSettled: (() => void) | undefined;

  constructor(count: number) {
    const { promise, resolve } = Promise.withResolvers<readonly (ConnectError | undefined)[]>();
    this.outcomes = promise;
    this.#settle = resolve;
    this.#outcomes = new Array<ConnectError | undefined>(count).fill(undefined);
    this.#pending = this.#writing = count;
    if (count === 0) resolve(this.#outcomes);
  }

  get idle(): Promise<void> {
    this.#idle ??= Promise.withResolvers<void>();
    if (this.#writing === 0) this.#idle.resolve();
    return this.#idle.promise;
  }

  /** One has ended. */
  settled(index: number, error: ConnectError | undefined): void {
    this.#outcomes[index] = error;
    if (--this.#pending > 0) return;
    this.onSettled?.();
    this.#settle(this.#outcomes);
  }

  /** Nothing writes to one's destination any more. */
  released(): void {
    if (--this.#writing === 0) this.#idle?.resolve();
  }
}

/** @internal One fetch that is under way. */
export interface Slot {
  readonly fetching: Fetching;
  readonly index: number;
  readonly from: FetchedFrom;
  readonly signal: AbortSignal | undefined;
}
