// GPUs and their memory. Handles are objects that hold the driver, or an arena of device memory.
#include <memory>

#include "cuda/device.h"
#include "cuda/device_arena.h"
#include "cuda/use_device.h"
#include "node/parts.h"
#include "node/values.h"

namespace waybill {
namespace {

using cuda::DeviceArena;
using cuda::Driver;
using cuda::Outcome;

// Written into each handle, so that one function's handle is not taken for another's.
constexpr napi_type_tag kDriverTag = {0x7a1c2d5e90b34f16, 0x8e2f4b6d1c3a5978};
constexpr napi_type_tag kArenaTag = {0x3b9d7f1e5c2a4860, 0x61c4e8a20f7b93d5};

struct DriverHandle {
  std::shared_ptr<const Driver> driver;
};

struct ArenaHandle {
  // Reset by freeing: the handle itself lives as long as JavaScript can see it.
  std::unique_ptr<DeviceArena> arena;
  std::shared_ptr<const Driver> driver;
};

template <typename Handle>
napi_value MakeHandle(napi_env env, std::unique_ptr<Handle> handle, const napi_type_tag& tag) {
  napi_value value = nullptr;
  napi_create_object(env, &value);
  const auto drop = [](napi_env, void* data, void*) { delete static_cast<Handle*>(data); };
  if (napi_wrap(env, value, handle.get(), drop, nullptr, nullptr) != napi_ok) {
    return Throw(env, "ERR_HANDLE", "Cannot make a handle");
  }
  handle.release();
  napi_type_tag_object(env, value, &tag);
  return value;
}

template <typename Handle>
Handle* GetHandle(napi_env env, const Arguments& arguments, size_t index, const napi_type_tag& tag) {
  bool fits = false;
  void* data = nullptr;
  const bool found = index < arguments.size() && napi_check_object_type_tag(env, arguments[index], &tag, &fits) == napi_ok &&
                     fits && napi_unwrap(env, arguments[index], &data) == napi_ok;
  if (!found) napi_throw_type_error(env, nullptr, "A handle of the GPU part is needed");
  return found ? static_cast<Handle*>(data) : nullptr;
}

napi_value ThrowCuda(napi_env env, const Driver& driver, const std::string& what, const Outcome& outcome) {
  const std::string name = cuda::ResultName(driver, outcome.result);
  return Throw(env, name.c_str(), what + ": " + outcome.call + " failed: " + cuda::ResultText(driver, outcome.result));
}

napi_value OpenCuda(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  std::string path;
  if (!arguments.String(0, "path", &path)) return nullptr;
  std::string fault;
  auto handle = std::make_unique<DriverHandle>();
  handle->driver = cuda::OpenDriver(path, &fault);
  if (handle->driver == nullptr) return Throw(env, "ERR_NO_CUDA", "Cannot open CUDA's driver: " + fault);
  cuda::KeepDriver(handle->driver);
  return MakeHandle(env, std::move(handle), kDriverTag);
}

napi_value CudaDevices(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const auto* handle = GetHandle<DriverHandle>(env, arguments, 0, kDriverTag);
  if (handle == nullptr) return nullptr;
  std::vector<cuda::DeviceFacts> devices;
  const Outcome outcome = cuda::ListDevices(handle->driver, &devices);
  if (!outcome.ok()) return ThrowCuda(env, *handle->driver, "Cannot list GPUs", outcome);
  napi_value list = nullptr;
  napi_create_array_with_length(env, devices.size(), &list);
  for (size_t i = 0; i < devices.size(); i++) {
    napi_value device = nullptr;
    napi_create_object(env, &device);
    SetField(env, device, "name", MakeString(env, devices[i].name));
    SetField(env, device, "totalBytes", MakeNumber(env, static_cast<double>(devices[i].total_bytes)));
    SetField(env, device, "freeBytes", MakeNumber(env, static_cast<double>(devices[i].free_bytes)));
    napi_set_element(env, list, static_cast<uint32_t>(i), device);
  }
  return list;
}

napi_value CudaVersion(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const auto* handle = GetHandle<DriverHandle>(env, arguments, 0, kDriverTag);
  if (handle == nullptr) return nullptr;
  int version = 0;
  handle->driver->cuDriverGetVersion(&version);
  return MakeString(env, std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10));
}

napi_value AllocateArena(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const auto* handle = GetHandle<DriverHandle>(env, arguments, 0, kDriverTag);
  uint64_t device = 0;
  uint64_t byte_length = 0;
  if (handle == nullptr || !arguments.Integer(1, "device", &device) || !arguments.Integer(2, "byteLength", &byte_length)) {
    return nullptr;
  }
  const std::string what = "Cannot allocate " + std::to_string(byte_length) + " bytes on GPU " + std::to_string(device);
  std::shared_ptr<cuda::PrimaryContext> primary;
  Outcome outcome = cuda::PrimaryContext::Retain(handle->driver, static_cast<int>(device), &primary);
  auto arena = std::make_unique<ArenaHandle>();
  arena->driver = handle->driver;
  if (outcome.ok()) outcome = DeviceArena::Allocate(primary, byte_length, &arena->arena);
  if (!outcome.ok()) return ThrowCuda(env, *handle->driver, what, outcome);
  return MakeHandle(env, std::move(arena), kArenaTag);
}

/// The arena behind an argument, or nullptr with an exception.
ArenaHandle* LiveArena(napi_env env, const Arguments& arguments, size_t index) {
  auto* handle = GetHandle<ArenaHandle>(env, arguments, index, kArenaTag);
  if (handle == nullptr || handle->arena != nullptr) return handle;
  Throw(env, "ERR_FREED", "Cannot use a GPU's memory: it was given back");
  return nullptr;
}

napi_value ArenaAddress(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const auto* handle = LiveArena(env, arguments, 0);
  if (handle == nullptr) return nullptr;
  // Addresses have 57 bits at most, and CUDA's fewer than the 53 that a number has.
  return MakeNumber(env, static_cast<double>(handle->arena->address()));
}

napi_value WriteArena(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const auto* handle = LiveArena(env, arguments, 0);
  uint64_t offset = 0;
  const uint8_t* data = nullptr;
  size_t length = 0;
  if (handle == nullptr || !arguments.Integer(1, "offset", &offset) || !arguments.Bytes(2, "data", &data, &length)) {
    return nullptr;
  }
  const Outcome outcome = handle->arena->Write(offset, data, length);
  return outcome.ok() ? MakeUndefined(env) : ThrowCuda(env, *handle->driver, "Cannot copy to a GPU", outcome);
}

napi_value ReadArena(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const auto* handle = LiveArena(env, arguments, 0);
  uint64_t offset = 0;
  const uint8_t* data = nullptr;
  size_t length = 0;
  if (handle == nullptr || !arguments.Integer(1, "offset", &offset) || !arguments.Bytes(2, "into", &data, &length)) {
    return nullptr;
  }
  const Outcome outcome = handle->arena->Read(offset, const_cast<uint8_t*>(data), length);
  return outcome.ok() ? MakeUndefined(env) : ThrowCuda(env, *handle->driver, "Cannot copy from a GPU", outcome);
}

napi_value CopyArena(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const auto* from = LiveArena(env, arguments, 0);
  uint64_t from_offset = 0;
  uint64_t offset = 0;
  uint64_t length = 0;
  if (from == nullptr || !arguments.Integer(1, "fromOffset", &from_offset)) return nullptr;
  const auto* to = LiveArena(env, arguments, 2);
  if (to == nullptr || !arguments.Integer(3, "toOffset", &offset) || !arguments.Integer(4, "byteLength", &length)) {
    return nullptr;
  }
  const Outcome outcome = to->arena->CopyFrom(*from->arena, from_offset, offset, length);
  return outcome.ok() ? MakeUndefined(env) : ThrowCuda(env, *to->driver, "Cannot copy between GPUs", outcome);
}

napi_value FreeArena(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  auto* handle = GetHandle<ArenaHandle>(env, arguments, 0, kArenaTag);
  if (handle == nullptr) return nullptr;
  handle->arena.reset();
  return MakeUndefined(env);
}

}  // namespace

void DefineCuda(napi_env env, napi_value exports) {
  DefineFunction(env, exports, "openCuda", OpenCuda);
  DefineFunction(env, exports, "cudaVersion", CudaVersion);
  DefineFunction(env, exports, "cudaDevices", CudaDevices);
  DefineFunction(env, exports, "allocateDevice", AllocateArena);
  DefineFunction(env, exports, "deviceAddress", ArenaAddress);
  DefineFunction(env, exports, "writeDevice", WriteArena);
  DefineFunction(env, exports, "readDevice", ReadArena);
  DefineFunction(env, exports, "copyDevice", CopyArena);
  DefineFunction(env, exports, "freeDevice", FreeArena);
}

}  // namespace waybill
