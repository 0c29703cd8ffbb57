/**
 * The addon, and what it can do. No policy: who maps what, and when, is decided above.
 *
 * @module
 */
export type { NativeAddon } from "./addon.ts";
export type { CapabilityFunctions, NativeCapability } from "./capability-functions.ts";
export type { CudaDevice, CudaDriver, CudaFunctions, DeviceArena } from "./cuda-functions.ts";
export { type CudaLoad, openCuda } from "./cuda.ts";
export {
  UCX_EVENT_DOUBLES,
  UCX_FETCH_RECORD_BYTES,
  UCX_LEASE_RECORD_BYTES,
  type UcxFunctions,
  type UcxLoaded,
  type UcxWireHandle,
} from "./ucx-functions.ts";
export { loadNative, type LoadNativeOptions, type NativeLoad, nativePackage } from "./load.ts";
export type { SegmentFile, SegmentFunctions, SegmentSpace, SweptSegments } from "./segment-functions.ts";
export { locateUcx, type LocateUcxOptions, type UcxLibrary } from "./ucx-library.ts";
