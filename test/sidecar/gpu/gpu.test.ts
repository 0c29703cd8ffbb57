import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { Code, ConnectError } from "@connectrpc/connect";
import { fakeCuda } from "../../../scripts/lib/native-build.ts";
import { type CudaLoad, loadNative, openCuda } from "../../../src/native/mod.ts";
import { gpuError } from "../../../src/sidecar/gpu-error.ts";
import { native, unlessNative } from "../../native/support/native.ts";
import { testUnless } from "../../support/skip.ts";
import { gpuChecks } from "./checks.ts";

const missing = loadNative().unavailable ?? (existsSync(fakeCuda) ? undefined : `there is no ${fakeCuda}`);
const stand = (): CudaLoad => openCuda(native(), { WAYBILL_LIBCUDA: fakeCuda });

describe("GPUs, by a stand-in for CUDA's driver", () => {
  testUnless(missing, "are two, with a version", () => {
    const cuda = stand();
    if (cuda.driver === undefined) throw new Error(cuda.unavailable);
    expect(cuda.version).toBe("12.9");
    expect(cuda.devices.map(({ name, totalBytes }) => [name, totalBytes])).toEqual([
      ["Fake GPU 0", 64 * 2 ** 20],
      ["Fake GPU 1", 64 * 2 ** 20],
    ]);
  });

  for (const { name, run } of gpuChecks) {
    testUnless(missing, name, async () => {
      const cuda = stand();
      if (cuda.driver === undefined) throw new Error(cuda.unavailable);
      expect(await run({ addon: native(), cuda })).toBe(undefined);
    });
  }
});

describe("a machine without CUDA", () => {
  unlessNative("is told of, and so is a library that is no driver", () => {
    expect(openCuda(native(), { WAYBILL_LIBCUDA: "/nonexistent/libcuda.so.1" }).unavailable).toContain("/nonexistent");
    expect(openCuda(native(), { WAYBILL_LIBCUDA: "libm.so.6" }).unavailable).toContain("libm.so.6 has no cuInit");
  });

  unlessNative("gives no handles that are none", () => {
    const addon = native();
    const other = {} as unknown as Parameters<typeof addon.cudaDevices>[0];
    expect(() => addon.cudaDevices(other)).toThrow("handle");
    expect(() => addon.freeDevice(other as unknown as Parameters<typeof addon.freeDevice>[0])).toThrow("handle");
  });
});

test("what the driver refuses is an error by what it means, with the driver's own as cause", () => {
  const cause = Object.assign(new Error("cuMemAlloc failed: out of memory"), { code: "CUDA_ERROR_OUT_OF_MEMORY" });
  const error = gpuError("Cannot take 8 bytes", cause);
  expect(error.code).toBe(Code.ResourceExhausted);
  expect(error.rawMessage).toBe("Cannot take 8 bytes: it must succeed, got CUDA_ERROR_OUT_OF_MEMORY");
  expect(error.cause).toBe(cause);
  expect(ConnectError.from(gpuError("x", new Error("y"))).code).toBe(Code.Internal);
});
