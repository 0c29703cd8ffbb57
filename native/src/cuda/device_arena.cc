#include "cuda/device_arena.h"

namespace waybill::cuda {

Outcome DeviceArena::Allocate(std::shared_ptr<PrimaryContext> primary, uint64_t bytes, std::unique_ptr<DeviceArena>* out) {
  const Current current(*primary);
  if (!current.outcome().ok()) return current.outcome();
  DevicePointer address = 0;
  const Result result = primary->driver().cuMemAlloc(&address, bytes);
  if (result != kSuccess) return {result, "cuMemAlloc"};
  out->reset(new DeviceArena(std::move(primary), address, bytes));
  return {};
}

DeviceArena::~DeviceArena() {
  const Current current(*primary_);
  if (current.outcome().ok()) primary_->driver().cuMemFree(address_);
}

Outcome DeviceArena::Write(uint64_t offset, const void* from, uint64_t bytes) {
  if (!Contains(offset, bytes)) return {kInvalidValue, "cuMemcpyHtoD"};
  if (bytes == 0) return {};
  const Current current(*primary_);
  if (!current.outcome().ok()) return current.outcome();
  return {primary_->driver().cuMemcpyHtoD(address_ + offset, from, bytes), "cuMemcpyHtoD"};
}

Outcome DeviceArena::Read(uint64_t offset, void* to, uint64_t bytes) const {
  if (!Contains(offset, bytes)) return {kInvalidValue, "cuMemcpyDtoH"};
  if (bytes == 0) return {};
  const Current current(*primary_);
  if (!current.outcome().ok()) return current.outcome();
  return {primary_->driver().cuMemcpyDtoH(to, address_ + offset, bytes), "cuMemcpyDtoH"};
}

Outcome DeviceArena::CopyFrom(const DeviceArena& from, uint64_t from_offset, uint64_t offset, uint64_t bytes) {
  if (!Contains(offset, bytes) || !from.Contains(from_offset, bytes)) return {kInvalidValue, "cuMemcpyDtoD"};
  if (bytes == 0) return {};
  const Current current(*primary_);
  if (!current.outcome().ok()) return current.outcome();
  const Driver& driver = primary_->driver();
  const DevicePointer to = address_ + offset;
  const DevicePointer source = from.address_ + from_offset;
  const bool same = from.primary_->ordinal() == primary_->ordinal();
  const Result result = same ? driver.cuMemcpyDtoD(to, source, bytes)
                             : driver.cuMemcpyPeer(to, primary_->context(), source, from.primary_->context(), bytes);
  if (result != kSuccess) return {result, same ? "cuMemcpyDtoD" : "cuMemcpyPeer"};
  // Copies between device memory may come back before they are done.
  return {driver.cuCtxSynchronize(), "cuCtxSynchronize"};
}

}  // namespace waybill::cuda
