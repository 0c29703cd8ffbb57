// The owner's table: which reference stands for which bytes, for how long. JavaScript owns the leases and mirrors them here, so
// that a fetch asks nobody.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "ucx/wire.h"

namespace waybill::ucx {

using Reference = ReferenceId;

struct LeaseInit {
  double id;
  Reference reference;
  uint32_t memory;
  uint64_t offset;
  uint64_t bytes;
  uint64_t layout;
  uint8_t dtype;
  // Unix milliseconds: when it ends if nobody uses it, and for good; how long a use renews it for.
  uint64_t expires_at_ms;
  uint64_t not_after_ms;
  uint64_t lease_ms;
};

struct Lease : LeaseInit {
  explicit Lease(const LeaseInit& init) : LeaseInit(init) {}

  struct Proven {
    std::array<uint8_t, kMaxCapabilityBytes> capability;
    uint8_t capability_bytes;
    uint8_t rights;
    uint64_t not_after_ms;
  };
  static constexpr size_t kRemembered = 8;

  uint32_t pins = 0;
  bool withdrawn = false;
  // Not told to JavaScript yet.
  uint64_t reads = 0;
  uint64_t read_bytes = 0;
  std::vector<Proven> proven;
  size_t next_proven = 0;
};

class LeaseTable {
 public:
  // `key`: 32 bytes, what the node signs capabilities with.
  explicit LeaseTable(const uint8_t* key) : checker_(key) {}

  // JavaScript's side.
  void Publish(const LeaseInit& init);
  void Renew(const Reference& reference, uint64_t expires_at_ms);
  enum class Withdrawn { kUnknown, kFreed, kPinned };
  Withdrawn Withdraw(const Reference& reference);

  // The progress thread's side. The lease pinned, or null: unknown, forged, foreign, expired and without the right to read are
  // one answer, after the same work.
  // `read_bytes` is what is about to be read of it.
  Lease* Pin(const Reference& reference, const uint8_t* capability, size_t bytes, uint64_t now_ms, uint64_t read_bytes);
  // True with the lease's id when it was withdrawn and this was its last pin.
  bool Unpin(Lease* lease, double* freed);
  // Calls fn(id, reads, bytes) for each lease that was read since.
  template <typename Fn>
  void TakeUsed(Fn fn) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& lease : used_) {
      fn(lease.id, lease.reads, lease.bytes);
    }
    used_.clear();
    for (Lease* lease : read_) {
      fn(lease->id, lease->reads, lease->read_bytes);
      lease->reads = lease->read_bytes = 0;
    }
    read_.clear();
    any_used_ = false;
  }
  bool any_used() const { return any_used_; }

 private:
  struct Hash {
    // References are random.
    size_t operator()(const Reference& reference) const {
      size_t hash = 0;
      std::memcpy(&hash, reference.data(), sizeof hash);
      return hash;
    }
  };
  struct Used {
    double id;
    uint64_t reads;
    uint64_t bytes;
  };

  void Forget(Lease* lease);
  bool MayRead(Lease* lease, const Reference& reference, const uint8_t* capability, size_t bytes, uint64_t now_ms);

  const CapabilityChecker checker_;
  std::mutex mutex_;
  std::unordered_map<Reference, std::unique_ptr<Lease>, Hash> leases_;
  std::vector<std::unique_ptr<Lease>> pinned_;
  std::vector<Lease*> read_;
  std::vector<Used> used_;
  // The progress thread's alone.
  bool any_used_ = false;
};

}  // namespace waybill::ucx
