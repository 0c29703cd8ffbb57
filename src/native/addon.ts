import type { CapabilityFunctions } from "./capability-functions.ts";
import type { CudaFunctions } from "./cuda-functions.ts";
import type { SegmentFunctions } from "./segment-functions.ts";
import type { UcxFunctions } from "./ucx-functions.ts";

/**
 * What the addon exports: thin functions over the operating system. They throw `Error`s whose `code` is the name of an errno
 * (`ENOSPC`) or begins with `ERR_`; the layers above give them their meaning.
 */
export interface NativeAddon extends SegmentFunctions, CapabilityFunctions, UcxFunctions, CudaFunctions {
  /** Version of the package that the addon was built from. */
  readonly version: string;
}
