import { Code, ConnectError } from "@connectrpc/connect";
import { abortError, fault } from "../rpc/error.ts";
import { capabilityDenied } from "../waybill/capability.ts";
import type { Waybill } from "../waybill/descriptor.ts";
import { type CallOptions, withDeadline } from "../rpc/deadline.ts";
import type { Loan } from "./lent.ts";
import type { NodeClients } from "./node-clients.ts";
import type { AnyWay, WayHandler, WayKind } from "./way-handler.ts";

/** How to fetch. */
export interface FetchOptions extends CallOptions {
  /** Only these kinds of ways. Default: all that are usable. */
  via?: readonly WayKind[];
}

/** Bytes, and how they came. */
export interface FetchedBytes {
  /** The bytes. By the way `local` they are the owner's memory: do not write to them. */
  readonly bytes: Uint8Array;
  /** The kind of way that was taken. */
  readonly way: AnyWay["kind"];
}

/** Bytes that may have to be given back. */
export interface FetchedLoan extends FetchedBytes {
  /** The memory that they are in, where that is somebody else's. */
  readonly loan?: Loan;
}

/** Handlers by kind, and what is tried beside a descriptor's own ways. */
export interface Routes {
  readonly handlers: ReadonlyMap<AnyWay["kind"], WayHandler>;
  /** Where owners' node services are found by name: tried after the descriptor's own ways, unless they are preferred. */
  readonly nodes: NodeClients | undefined;
  /** Told of a way that should have worked and did not, so that the next one is tried. */
  readonly onFailed: (waybill: Waybill, way: WayKind, reason: string) => void;
}

/**
 * Reads a range of a tensor by the first way that works: the same process, then the descriptor's ways in the owner's order, then
 * the bus.
 *
 * @throws {ConnectError} `unavailable` with each way's reason when none works; `permission_denied` when an owner said so;
 * `canceled` and `deadline_exceeded`
 */
export function fetchBytes(
  routes: Routes,
  waybill: Waybill,
  range: { offset: number; length: number },
  options: FetchOptions,
): Promise<FetchedLoan> {
  return withDeadline(`Cannot fetch ${waybill}`, options, async (signal) => {
    const failures: string[] = [];
    let denied = false;
    for (const way of waysOf(routes, waybill)) {
      if (options.via !== undefined && !options.via.includes(way.kind)) continue;
      const handler = routes.handlers.get(way.kind);
      const refusal = handler === undefined ? "not supported here" : handler.refusal(way, waybill);
      if (handler === undefined || refusal !== undefined) {
        // That it is not local goes without saying.
        if (way.kind !== "local") failures.push(`${way.kind}: ${refusal}`);
        continue;
      }
      try {
        const read = await handler.read({ waybill, way, ...range, signal });
        const loan = read instanceof Uint8Array ? undefined : read;
        const bytes = read instanceof Uint8Array ? read : read.bytes;
        if (bytes.length === range.length) return { bytes, way: way.kind, loan };
        loan?.giveBack();
        throw new Error(`${range.length} bytes must come, got ${bytes.length}`);
      } catch (error) {
        if (signal?.aborted) throw abortError(signal);
        const refused = error instanceof ConnectError && error.code === Code.PermissionDenied;
        denied ||= refused;
        const reason = reasonOf(error);
        failures.push(`${way.kind}: ${reason}`);
        if (!refused) routes.onFailed(waybill, way.kind, reason);
      }
    }
    if (denied) throw capabilityDenied();
    const reasons = failures.length === 0 ? "it names no way that may be used" : failures.join("; ");
    throw fault(`Cannot fetch ${waybill}: ${reasons}`, Code.Unavailable, { reason: "NO_WAY" });
  });
}

function waysOf({ nodes }: Routes, waybill: Waybill): AnyWay[] {
  const ways: AnyWay[] = [{ kind: "local" }, ...waybill.ways];
  if (nodes === undefined) return ways;
  if (nodes.prefers(waybill)) ways.splice(1, 0, nodes.wayTo(waybill.node));
  else if (!waybill.ways.some(({ kind }) => kind === "bus")) ways.push(nodes.wayTo(waybill.node));
  return ways;
}

/** Errors of runtimes say little themselves and hide the rest in their cause: `fetch failed`. */
function reasonOf(error: unknown): string {
  if (error instanceof ConnectError) return error.rawMessage;
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return `${error.message || error.name}${cause}`.replace(/\.$/, "");
}
