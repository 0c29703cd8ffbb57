/**
 * The UCX wire: tensors from registered memory of one process to registered memory of another.
 *
 * @module
 */
export { formatUcxAddress, parseUcxAddress, type UcxHostPort, versionRefusal } from "./address.ts";
export type { UcxDescription, UcxEndpoint } from "./description.ts";
export type { UcxFetch, UcxRequest, UcxTensor } from "./fetching.ts";
export type { UcxLease, UcxPublication } from "./lease.ts";
export type { UcxMemory } from "./memory.ts";
export type { UcxWireOptions } from "./options.ts";
export type { TensorFacts } from "./records.ts";
export { UcxWire } from "./wire.ts";
