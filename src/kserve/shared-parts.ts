import { invalid, unsupported } from "./errors.ts";
import type { InferParameters } from "../tensor/mod.ts";
import type { SharedMemory } from "./host.ts";

/** A part of memory that a client registered. */
export interface RegionPart {
  readonly region: string;
  readonly offset: number;
  readonly byteSize: number;
}

/**
 * The part that a tensor's parameters name; `undefined` where they name none.
 *
 * @throws {ConnectError} `invalid_argument` for a part without a size
 */
export function regionOf(parameters: Readonly<InferParameters>): RegionPart | undefined {
  const { shared_memory_region: region, shared_memory_offset: offset = 0, shared_memory_byte_size: byteSize } = parameters;
  if (region === undefined) return undefined;
  if (typeof region !== "string") throw invalid(notA("shared_memory_region", "string"));
  return { region, offset: sizeOf("shared_memory_offset", offset), byteSize: sizeOf("shared_memory_byte_size", byteSize) };
}

function sizeOf(name: string, value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(notA(name, "unsigned-integer"));
}

function notA(name: string, kind: string): string {
  return `Unable to parse '${name}': attempt to access JSON non-${kind} as ${kind}`;
}

/**
 * The memory that clients share.
 *
 * @throws {ConnectError} `unimplemented` where the server shares none
 */
export function memoryOf(memory: SharedMemory | undefined): SharedMemory {
  if (memory !== undefined) return memory;
  throw unsupported("Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable.");
}
