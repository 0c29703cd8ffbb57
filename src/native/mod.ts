/**
 * The addon, and what it can do. No policy: who maps what, and when, is decided above.
 *
 * @module
 */
export type { NativeAddon } from "./addon.ts";
export type { CapabilityFunctions, NativeCapability } from "./capability-functions.ts";
export { loadNative, type LoadNativeOptions, type NativeLoad, nativePackage } from "./load.ts";
export type { SegmentFile, SegmentFunctions, SegmentSpace, SweptSegments } from "./segment-functions.ts";
export { locateUcx, type LocateUcxOptions, type UcxLibrary } from "./ucx-library.ts";
