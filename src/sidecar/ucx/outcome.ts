import { Code, ConnectError } from "@connectrpc/connect";
import { fault } from "../../rpc/error.ts";
import { capabilityDenied } from "../../waybill/capability.ts";
import type { TensorFacts } from "./records.ts";

/** How the addon says that a fetch ended. `native/src/ucx/completions.h` is the other side. */
export const OUTCOME = {
  done: 0,
  denied: 1,
  busy: 2,
  outOfRange: 3,
  unavailable: 4,
  timedOut: 5,
  canceled: 6,
  mismatch: 7,
  badAnswer: 8,
  noMemory: 9,
} as const;

/** What an error says about the fetch that failed. */
export interface FetchedFrom extends TensorFacts {
  /** The owner's listener. */
  readonly address: string;
  /** What the descriptor says. */
  readonly byteSize: number;
}

/**
 * The error of a fetch that failed.
 *
 * @param detail UCX's status as a text, or the bytes that the owner has
 */
export function fetchError(outcome: number, from: FetchedFrom, detail: string | number): ConnectError {
  const action = `Cannot fetch a tensor over UCX from "${from.address}"`;
  switch (outcome) {
    case OUTCOME.denied:
      return capabilityDenied();
    case OUTCOME.busy:
      return fault(`${action}: its owner takes no more requests of this peer now`, Code.ResourceExhausted, {
        reason: "UCX_BUSY",
      });
    case OUTCOME.outOfRange:
      return new ConnectError(`${action}: the range must lie within its ${from.byteSize} bytes`, Code.OutOfRange);
    case OUTCOME.timedOut:
      return new ConnectError(`${action}: the answer must come in time, and did not`, Code.DeadlineExceeded);
    case OUTCOME.canceled:
      return new ConnectError(`${action}: the wire was closed`, Code.Unavailable);
    case OUTCOME.mismatch: {
      const said = `${from.dtype} [${from.shape}] of ${from.byteSize} bytes`;
      const seen = detail === from.byteSize ? "another dtype or shape" : `${detail} bytes`;
      return fault(`${action}: its descriptor says ${said}, the owner has ${seen}`, Code.DataLoss, {
        reason: "TENSOR_MISMATCH",
      });
    }
    case OUTCOME.badAnswer:
      return new ConnectError(`${action}: the owner's answer breaks the protocol`, Code.Unavailable);
    case OUTCOME.noMemory:
      return new ConnectError(`${action}: the destination must lie within a memory that was added`, Code.InvalidArgument);
    default:
      return fault(`${action}: ${detail}`, Code.Unavailable, { reason: "UCX_UNAVAILABLE" });
  }
}
