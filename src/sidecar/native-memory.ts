import type { Logger } from "../bus/logger.ts";
import { Arena } from "../data/arena/arena.ts";
import { loadNative, type NativeAddon } from "../native/mod.ts";
import type { NativePart } from "./service/describe.ts";
import { NodeSegments } from "./segments.ts";

/** The shared memory of a node, as far as there is any. */
export interface NativeMemory {
  readonly addon: NativeAddon | undefined;
  readonly segments: NodeSegments | undefined;
  /** What tensors are made in; `undefined` for the heap. */
  readonly arena: Arena | undefined;
  /** What was found, for descriptions. */
  readonly found: NativePart;
  /** What people should know. */
  readonly notes: readonly string[];
}

/** Opens the addon and the memory that it gives. Without it everything is on the heap. */
export function openNativeMemory(
  options: { sharedMemory: boolean; budgetBytes: number; segmentBytes: number; logger: Logger },
): NativeMemory {
  const { sharedMemory, budgetBytes, segmentBytes, logger } = options;
  const { addon, path, unavailable } = loaded();
  const found = {
    name: "addon",
    available: addon !== undefined,
    version: addon?.version ?? "",
    detail: path ?? unavailable ?? "",
  };
  if (addon === undefined || !sharedMemory) {
    const why = addon === undefined ? unavailable ?? "" : "sharedMemory is off";
    return { addon, segments: undefined, arena: undefined, found, notes: [`Tensors are on the heap: ${why}`] };
  }
  const segments = new NodeSegments({ addon, budgetBytes, logger });
  const arena = new Arena({ grow: (byteLength) => segments.create(Math.max(segmentBytes, byteLength)) });
  return { addon, segments, arena, found, notes: segments.note === undefined ? [] : [segments.note] };
}

function loaded(): { addon?: NativeAddon; path?: string; unavailable?: string } {
  const load = loadNative();
  return load.addon === undefined ? { unavailable: load.unavailable } : { addon: load.addon, path: load.path };
}
