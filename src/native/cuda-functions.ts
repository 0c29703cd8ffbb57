/** CUDA's driver, once it was opened. */
export interface CudaDriver {
  readonly __cudaDriver: unique symbol;
}

/** One allocation on a GPU. */
export interface DeviceArena {
  readonly __deviceArena: unique symbol;
}

/** A GPU. */
export interface CudaDevice {
  /** Such as `"NVIDIA H100 80GB HBM3"`. */
  readonly name: string;
  /** All of its memory. */
  readonly totalBytes: number;
  /** What nobody has taken; 0 where it cannot be asked. */
  readonly freeBytes: number;
}

/**
 * The addon's functions for GPUs. They throw `Error`s whose `code` is the driver's name for what failed, such as
 * `CUDA_ERROR_OUT_OF_MEMORY`. Copies are done when they return; the thread waits that long.
 */
export interface CudaFunctions {
  /**
   * Opens the driver's library, and leaves it open.
   *
   * @param path `"libcuda.so.1"` lets the system's loader look for it
   * @throws {Error} `ERR_NO_CUDA` where there is none, or no GPU
   */
  openCuda(path: string): CudaDriver;
  /** The newest CUDA that the driver is for, such as `"12.9"`. */
  cudaVersion(driver: CudaDriver): string;
  /** Every GPU that the process can see, by its ordinal. */
  cudaDevices(driver: CudaDriver): CudaDevice[];
  /** Takes memory of a GPU. It goes with `freeDevice`, or when the handle is collected. */
  allocateDevice(driver: CudaDriver, device: number, byteLength: number): DeviceArena;
  /** Where it is, for what takes device pointers. */
  deviceAddress(arena: DeviceArena): number;
  /** Copies bytes to a GPU. */
  writeDevice(arena: DeviceArena, offset: number, data: Uint8Array): void;
  /** Copies bytes from a GPU, as many as `into` has. */
  readDevice(arena: DeviceArena, offset: number, into: Uint8Array): void;
  /** Copies between GPUs, or within one. The ranges must not overlap. */
  copyDevice(from: DeviceArena, fromOffset: number, to: DeviceArena, toOffset: number, byteLength: number): void;
  /** Gives the memory back; whoever has its address must have ended. Twice does no harm. */
  freeDevice(arena: DeviceArena): void;
}
