// The functions of CUDA's driver that are used, as pointers: the library is opened at run time, and tests put a fake in its place.
//
// Declared here and not taken from cuda.h, which no machine without CUDA has. The driver keeps its binary interface: names end in the
// version that they came with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace waybill::cuda {

using Result = int;
using Device = int;
using Context = void*;
using DevicePointer = uint64_t;

constexpr Result kSuccess = 0;
constexpr Result kInvalidValue = 1;
constexpr Result kOutOfMemory = 2;
constexpr Result kInvalidDevice = 101;

struct Driver {
  Result (*cuInit)(unsigned flags) = nullptr;
  Result (*cuDriverGetVersion)(int* version) = nullptr;
  Result (*cuDeviceGetCount)(int* count) = nullptr;
  Result (*cuDeviceGet)(Device* device, int ordinal) = nullptr;
  Result (*cuDeviceGetName)(char* name, int length, Device device) = nullptr;
  Result (*cuDeviceTotalMem)(size_t* bytes, Device device) = nullptr;
  Result (*cuDevicePrimaryCtxRetain)(Context* context, Device device) = nullptr;
  Result (*cuDevicePrimaryCtxRelease)(Device device) = nullptr;
  Result (*cuCtxSetCurrent)(Context context) = nullptr;
  Result (*cuCtxPushCurrent)(Context context) = nullptr;
  Result (*cuCtxPopCurrent)(Context* context) = nullptr;
  Result (*cuCtxSynchronize)() = nullptr;
  Result (*cuMemGetInfo)(size_t* free, size_t* total) = nullptr;
  Result (*cuMemAlloc)(DevicePointer* pointer, size_t bytes) = nullptr;
  Result (*cuMemFree)(DevicePointer pointer) = nullptr;
  Result (*cuMemcpyHtoD)(DevicePointer to, const void* from, size_t bytes) = nullptr;
  Result (*cuMemcpyDtoH)(void* to, DevicePointer from, size_t bytes) = nullptr;
  Result (*cuMemcpyDtoD)(DevicePointer to, DevicePointer from, size_t bytes) = nullptr;
  Result (*cuMemcpyPeer)(DevicePointer to, Context to_context, DevicePointer from, Context from_context, size_t bytes) = nullptr;
  Result (*cuGetErrorName)(Result result, const char** name) = nullptr;
  Result (*cuGetErrorString)(Result result, const char** text) = nullptr;
};

/// Opens the driver's library and initialises it. It stays open: libraries of this kind do not unload cleanly.
///
/// @param path the library; "libcuda.so.1" lets the system's loader look for it
/// @param fault gets why there is none, where nullptr is returned
std::shared_ptr<const Driver> OpenDriver(const std::string& path, std::string* fault);

/// A result's name, such as `CUDA_ERROR_OUT_OF_MEMORY`, and the driver's text for it.
std::string ResultName(const Driver& driver, Result result);
std::string ResultText(const Driver& driver, Result result);

}  // namespace waybill::cuda
