/**
 * Waybills: descriptors of tensors that stay where they are, the capabilities that allow their use, and the leases that keep them.
 *
 * @module
 */
export { attenuateCapability, capabilityDenied, CapabilityIssuer, DEFAULT_MAX_LEASE_MS } from "./capability.ts";
export { MAX_CAPABILITY_BYTES, REFERENCE_BYTES } from "./capability-format.ts";
export { Waybill, waybillFromMessage, waybillToMessage } from "./descriptor.ts";
export {
  MAX_WAYBILL_BYTES,
  WAYBILL_PREFIX,
  waybillFromBytes,
  waybillFromJson,
  waybillFromString,
  waybillToBytes,
  waybillToJson,
  waybillToString,
} from "./encoding.ts";
export { DEFAULT_LEASE_MS, LeaseTable, referenceKey } from "./lease.ts";
export { ALL_RIGHTS, FORWARDED_RIGHTS } from "./rights.ts";
export { checkWay, MAX_WAYS, wayFromWire, wayToWire } from "./way.ts";

export type { CapabilityIssuerOptions, VerifiedCapability } from "./capability.ts";
export type { Memory, RedactedWaybill, WaybillInit } from "./descriptor.ts";
export type { Lease, LeaseEnd, LeaseOptions, LeaseTableOptions } from "./lease.ts";
export type { Right } from "./rights.ts";
export type { BusWay, HttpWay, SharedMemoryWay, UcxWay, Way } from "./way.ts";
