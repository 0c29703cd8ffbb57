#include "cuda/use_device.h"

#include <map>
#include <mutex>

namespace waybill::cuda {
namespace {

struct Kept {
  std::mutex mutex;
  std::shared_ptr<const Driver> driver;
  std::map<int, Context> contexts;
};

// Never destroyed: threads may still use it when the process ends.
Kept& Get() {
  static auto* kept = new Kept();
  return *kept;
}

}  // namespace

void KeepDriver(const std::shared_ptr<const Driver>& driver) {
  Kept& kept = Get();
  const std::lock_guard<std::mutex> lock(kept.mutex);
  if (kept.driver == nullptr) kept.driver = driver;
}

bool UseDevice(int ordinal) {
  Kept& kept = Get();
  const std::lock_guard<std::mutex> lock(kept.mutex);
  if (kept.driver == nullptr) return false;
  auto found = kept.contexts.find(ordinal);
  if (found == kept.contexts.end()) {
    Device device = 0;
    Context context = nullptr;
    if (kept.driver->cuDeviceGet(&device, ordinal) != kSuccess) return false;
    if (kept.driver->cuDevicePrimaryCtxRetain(&context, device) != kSuccess) return false;
    found = kept.contexts.emplace(ordinal, context).first;
  }
  return kept.driver->cuCtxSetCurrent(found->second) == kSuccess;
}

}  // namespace waybill::cuda
