// Memory of a GPU: one allocation, which tensors are parts of.
#pragma once

#include <cstdint>
#include <memory>

#include "cuda/device.h"

namespace waybill::cuda {

/// Device memory, freed with its owner. Copies wait until they are done. Safe from any thread.
class DeviceArena {
 public:
  static Outcome Allocate(std::shared_ptr<PrimaryContext> primary, uint64_t bytes, std::unique_ptr<DeviceArena>* out);

  DeviceArena(const DeviceArena&) = delete;
  DeviceArena& operator=(const DeviceArena&) = delete;
  ~DeviceArena();

  uint64_t byte_length() const { return byte_length_; }
  /// For libraries that take device pointers, such as UCX. The processor cannot read there.
  DevicePointer address() const { return address_; }
  const PrimaryContext& primary() const { return *primary_; }

  /// Copies bytes to the device. A range that is not within the arena is `kInvalidValue`.
  Outcome Write(uint64_t offset, const void* from, uint64_t bytes);
  /// Copies bytes from the device.
  Outcome Read(uint64_t offset, void* to, uint64_t bytes) const;
  /// Copies between devices, or within one; ranges must not overlap.
  Outcome CopyFrom(const DeviceArena& from, uint64_t from_offset, uint64_t offset, uint64_t bytes);

 private:
  DeviceArena(std::shared_ptr<PrimaryContext> primary, DevicePointer address, uint64_t byte_length)
      : primary_(std::move(primary)), address_(address), byte_length_(byte_length) {}

  bool Contains(uint64_t offset, uint64_t bytes) const {
    return offset <= byte_length_ && bytes <= byte_length_ - offset;
  }

  std::shared_ptr<PrimaryContext> primary_;
  DevicePointer address_;
  uint64_t byte_length_;
};

}  // namespace waybill::cuda
