#include "cuda/driver.h"

#include <dlfcn.h>

namespace waybill::cuda {
namespace {

struct Symbol {
  const char* name;
  void* slot;
};

}  // namespace

std::shared_ptr<const Driver> OpenDriver(const std::string& path, std::string* fault) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    *fault = dlerror();
    return nullptr;
  }
  auto driver = std::make_shared<Driver>();
  const Symbol symbols[] = {
      {"cuInit", &driver->cuInit},
      {"cuDriverGetVersion", &driver->cuDriverGetVersion},
      {"cuDeviceGetCount", &driver->cuDeviceGetCount},
      {"cuDeviceGet", &driver->cuDeviceGet},
      {"cuDeviceGetName", &driver->cuDeviceGetName},
      {"cuDeviceTotalMem_v2", &driver->cuDeviceTotalMem},
      {"cuDevicePrimaryCtxRetain", &driver->cuDevicePrimaryCtxRetain},
      {"cuDevicePrimaryCtxRelease_v2", &driver->cuDevicePrimaryCtxRelease},
      {"cuCtxSetCurrent", &driver->cuCtxSetCurrent},
      {"cuCtxPushCurrent_v2", &driver->cuCtxPushCurrent},
      {"cuCtxPopCurrent_v2", &driver->cuCtxPopCurrent},
      {"cuCtxSynchronize", &driver->cuCtxSynchronize},
      {"cuMemGetInfo_v2", &driver->cuMemGetInfo},
      {"cuMemAlloc_v2", &driver->cuMemAlloc},
      {"cuMemFree_v2", &driver->cuMemFree},
      {"cuMemcpyHtoD_v2", &driver->cuMemcpyHtoD},
      {"cuMemcpyDtoH_v2", &driver->cuMemcpyDtoH},
      {"cuMemcpyDtoD_v2", &driver->cuMemcpyDtoD},
      {"cuMemcpyPeer", &driver->cuMemcpyPeer},
      {"cuGetErrorName", &driver->cuGetErrorName},
      {"cuGetErrorString", &driver->cuGetErrorString},
  };
  for (const Symbol& symbol : symbols) {
    void* function = dlsym(library, symbol.name);
    if (function == nullptr) {
      *fault = path + " has no " + symbol.name;
      return nullptr;
    }
    *static_cast<void**>(symbol.slot) = function;
  }
  const Result result = driver->cuInit(0);
  if (result == kSuccess) return driver;
  *fault = "cuInit failed: " + ResultName(*driver, result) + ", " + ResultText(*driver, result);
  return nullptr;
}

std::string ResultName(const Driver& driver, Result result) {
  const char* name = nullptr;
  const bool known = driver.cuGetErrorName(result, &name) == kSuccess && name != nullptr;
  return known ? name : "CUDA_ERROR_" + std::to_string(result);
}

std::string ResultText(const Driver& driver, Result result) {
  const char* text = nullptr;
  const bool known = driver.cuGetErrorString(result, &text) == kSuccess && text != nullptr;
  return known ? text : "unknown error";
}

}  // namespace waybill::cuda
