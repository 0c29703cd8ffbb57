import { base64Encode } from "@bufbuild/protobuf/wire";
import { checkName, checkWay, type SharedMemoryWay, type Way } from "../waybill/way.ts";
import type { MemoryBlock } from "./memory.ts";
import type { StoreWay } from "./store-types.ts";

/**
 * A checked, frozen copy of a way that a store offers.
 *
 * @throws {ConnectError} `invalid_argument`
 */
export function checkStoreWay(action: string, way: StoreWay): StoreWay {
  if (way.kind === "shm") return Object.freeze({ kind: "shm", host: checkName(action, "a host", way.host) });
  return checkWay(action, way) as StoreWay;
}

/** Whether a way leads to the store itself, and not to single tensors alone. */
export function isReachable(way: StoreWay): way is Exclude<Way, SharedMemoryWay> {
  return way.kind !== "shm";
}

/** The way to one tensor: none where it is not in a segment and the way is `shm`, or on a GPU that UCX does not read. */
export function wayTo(way: StoreWay, reference: Uint8Array, block: MemoryBlock | undefined): Way[] {
  const location = block?.location;
  if (way.kind === "http") return [{ kind: "http", url: `${way.url}/${base64Encode(reference, "url")}` }];
  if (way.kind === "ucx" && block?.memory === "gpu" && block.overUcx !== true) return [];
  if (way.kind !== "shm") return [way];
  return location === undefined ? [] : [{ kind: "shm", host: way.host, ...location }];
}
