import type { UcxTensor } from "../../src/sidecar/ucx/mod.ts";

/** The transports that are measured, and what UCX is told for each. */
export const UCX_TRANSPORTS = {
  posix: ["posix", "self", "tcp"],
  tcp: ["tcp", "self"],
} as const;

/** The name of one. */
export type UcxBenchTransport = keyof typeof UCX_TRANSPORTS;

/** How long what is published lasts. */
export const DAY_MS = 86_400_000;

/** A tensor as a line of JSON holds it. */
export type UcxTensorJson = Omit<UcxTensor, "reference" | "capability"> & { reference: number[]; capability: number[] };

/** Where a tensor is. */
export interface UcxTarget {
  readonly address: string;
  readonly waybill: UcxTensorJson;
}

/** What a reader is asked for. */
export interface UcxLoad {
  readonly target: UcxTarget;
  /** Fetched all the time meanwhile. */
  readonly beside?: UcxTarget;
  readonly inflight: number;
  readonly seconds: number;
}

/** What it answers. */
export interface UcxMeasured {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** How late the event loop was, beyond its timer's millisecond. */
  readonly lagP99Ms: number;
}

/** For JSON. */
export function tensorToJson({ reference, capability, ...rest }: UcxTensor): UcxTensorJson {
  return { ...rest, reference: [...reference], capability: [...capability] };
}

/** From JSON. */
export function tensorFromJson({ reference, capability, ...rest }: UcxTensorJson): UcxTensor {
  return { ...rest, reference: new Uint8Array(reference), capability: new Uint8Array(capability) };
}
