#include "cuda/device.h"

namespace waybill::cuda {

Outcome PrimaryContext::Retain(std::shared_ptr<const Driver> driver, int ordinal, std::shared_ptr<PrimaryContext>* out) {
  Device device = 0;
  Result result = driver->cuDeviceGet(&device, ordinal);
  if (result != kSuccess) return {result, "cuDeviceGet"};
  Context context = nullptr;
  result = driver->cuDevicePrimaryCtxRetain(&context, device);
  if (result != kSuccess) return {result, "cuDevicePrimaryCtxRetain"};
  out->reset(new PrimaryContext(std::move(driver), ordinal, device, context));
  return {};
}

Outcome ListDevices(const std::shared_ptr<const Driver>& driver, std::vector<DeviceFacts>* out) {
  int count = 0;
  Result result = driver->cuDeviceGetCount(&count);
  if (result != kSuccess) return {result, "cuDeviceGetCount"};
  for (int ordinal = 0; ordinal < count; ordinal++) {
    Device device = 0;
    result = driver->cuDeviceGet(&device, ordinal);
    if (result != kSuccess) return {result, "cuDeviceGet"};
    char name[128] = {};
    DeviceFacts facts;
    if (driver->cuDeviceGetName(name, sizeof(name) - 1, device) == kSuccess) facts.name = name;
    size_t total = 0;
    if (driver->cuDeviceTotalMem(&total, device) == kSuccess) facts.total_bytes = total;
    std::shared_ptr<PrimaryContext> primary;
    if (PrimaryContext::Retain(driver, ordinal, &primary).ok()) {
      const Current current(*primary);
      size_t free = 0;
      if (current.outcome().ok() && driver->cuMemGetInfo(&free, &total) == kSuccess) facts.free_bytes = free;
    }
    out->push_back(std::move(facts));
  }
  return {};
}

}  // namespace waybill::cuda
