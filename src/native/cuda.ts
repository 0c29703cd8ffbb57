import type { NativeAddon } from "./addon.ts";
import type { CudaDevice, CudaDriver } from "./cuda-functions.ts";

/** What became of looking for GPUs. */
export type CudaLoad =
  | {
    readonly driver: CudaDriver;
    /** The newest CUDA that the driver is for, such as `"12.9"`. */
    readonly version: string;
    /** By their ordinals; at least one. */
    readonly devices: readonly CudaDevice[];
    readonly unavailable?: undefined;
  }
  | { readonly driver?: undefined; readonly unavailable: string };

/**
 * Opens CUDA's driver: the library that `WAYBILL_LIBCUDA` names, else `libcuda.so.1`. Never throws: where there is no GPU,
 * `unavailable` says so.
 */
export function openCuda(addon: NativeAddon, env: Readonly<Record<string, string | undefined>> = process.env): CudaLoad {
  try {
    const driver = addon.openCuda(env.WAYBILL_LIBCUDA || "libcuda.so.1");
    const devices = addon.cudaDevices(driver);
    if (devices.length === 0) return { unavailable: "CUDA's driver is here and sees no GPU" };
    return { driver, version: addon.cudaVersion(driver), devices };
  } catch (error) {
    return { unavailable: error instanceof Error ? error.message : String(error) };
  }
}
