import type { TensorStore } from "../data/store.ts";
import type { NodeDescription } from "./service/describe.ts";

/** A running sidecar: it serves from the moment {@linkcode startSidecar} resolves until it is stopped. */
export interface Sidecar extends AsyncDisposable {
  /** The node's name. */
  readonly node: string;
  /** How others reach it over HTTP and gRPC. */
  readonly url: string;
  /** How workers of this host reach it: `unix:` and the path of its socket. They are told it in `WAYBILL_SIDECAR`. */
  readonly address: string;
  /** Where `/metrics` is, when asked for. */
  readonly metricsUrl: string | undefined;
  /** Settles when its connection to the broker has ended for good; never without a broker. */
  readonly disconnected: Promise<unknown>;
  /**
   * What holds its tensors.
   *
   * @internal
   */
  readonly store: TensorStore;
  /** What it is, what it found on the machine, and how full it is. */
  describe(): NodeDescription;
  /**
   * Takes nothing new, serves what is held until it is released, for `drainMs` (default: the option's) at most, tells what was never
   * released, and removes its shared memory. Safe to call twice; the second time may only hurry.
   */
  stop(options?: { drainMs?: number }): Promise<void>;
}
