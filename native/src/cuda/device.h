// GPUs, as their ordinals, and what is current on a thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cuda/driver.h"

namespace waybill::cuda {

/// What failed, for messages.
struct Outcome {
  Result result = kSuccess;
  /// The driver's function, such as `cuMemAlloc`.
  const char* call = "";

  bool ok() const { return result == kSuccess; }
};

struct DeviceFacts {
  std::string name;
  uint64_t total_bytes = 0;
  /// 0 where it cannot be asked.
  uint64_t free_bytes = 0;
};

/// A GPU's primary context, which all libraries of a process share; held until this goes.
class PrimaryContext {
 public:
  static Outcome Retain(std::shared_ptr<const Driver> driver, int ordinal, std::shared_ptr<PrimaryContext>* out);

  PrimaryContext(const PrimaryContext&) = delete;
  PrimaryContext& operator=(const PrimaryContext&) = delete;
  ~PrimaryContext() { driver_->cuDevicePrimaryCtxRelease(device_); }

  const Driver& driver() const { return *driver_; }
  Context context() const { return context_; }
  int ordinal() const { return ordinal_; }

 private:
  PrimaryContext(std::shared_ptr<const Driver> driver, int ordinal, Device device, Context context)
      : driver_(std::move(driver)), ordinal_(ordinal), device_(device), context_(context) {}

  std::shared_ptr<const Driver> driver_;
  int ordinal_;
  Device device_;
  Context context_;
};

/// Makes a context current on this thread for as long as it lives.
class Current {
 public:
  explicit Current(const PrimaryContext& primary)
      : driver_(primary.driver()), outcome_{driver_.cuCtxPushCurrent(primary.context()), "cuCtxPushCurrent"} {}
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
  ~Current() {
    Context popped = nullptr;
    if (outcome_.ok()) driver_.cuCtxPopCurrent(&popped);
  }

  const Outcome& outcome() const { return outcome_; }

 private:
  const Driver& driver_;
  Outcome outcome_;
};

/// Every GPU that the process can see. Retains a context of each for the question.
Outcome ListDevices(const std::shared_ptr<const Driver>& driver, std::vector<DeviceFacts>* out);

}  // namespace waybill::cuda
