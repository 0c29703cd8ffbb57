#include "ucx/leases.h"

#include <algorithm>

namespace waybill::ucx {

namespace {

bool Equal(const Lease::Proven& proven, const uint8_t* capability, size_t bytes) {
  if (proven.capability_bytes != bytes) return false;
  uint8_t difference = 0;
  for (size_t i = 0; i < bytes; i++) difference |= static_cast<uint8_t>(proven.capability[i] ^ capability[i]);
  return difference == 0;
}

}  // namespace

void LeaseTable::Publish(const LeaseInit& init) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto& slot = leases_[init.reference];
  // References are random: the same one twice is the same lease told again.
  if (slot == nullptr) slot = std::make_unique<Lease>(init);
}

void LeaseTable::Renew(const Reference& reference, uint64_t expires_at_ms) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = leases_.find(reference);
  if (found == leases_.end()) return;
  Lease& lease = *found->second;
  lease.expires_at_ms = std::min(std::max(lease.expires_at_ms, expires_at_ms), lease.not_after_ms);
}

LeaseTable::Withdrawn LeaseTable::Withdraw(const Reference& reference) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = leases_.find(reference);
  if (found == leases_.end()) return Withdrawn::kUnknown;
  std::unique_ptr<Lease> lease = std::move(found->second);
  leases_.erase(found);
  lease->withdrawn = true;
  if (lease->pins > 0) {
    pinned_.push_back(std::move(lease));
    return Withdrawn::kPinned;
  }
  Forget(lease.get());
  return Withdrawn::kFreed;
}

Lease* LeaseTable::Pin(const Reference& reference, const uint8_t* capability, size_t bytes, uint64_t now_ms,
                       uint64_t read_bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = leases_.find(reference);
  Lease* lease = found == leases_.end() ? nullptr : found->second.get();
  if (!MayRead(lease, reference, capability, bytes, now_ms)) return nullptr;
  lease->pins++;
  lease->expires_at_ms = std::max(lease->expires_at_ms, std::min(now_ms + lease->lease_ms, lease->not_after_ms));
  if (lease->reads++ == 0) read_.push_back(lease);
  if (read_bytes <= lease->bytes) lease->read_bytes += read_bytes;
  any_used_ = true;
  return lease;
}

bool LeaseTable::MayRead(Lease* lease, const Reference& reference, const uint8_t* capability, size_t bytes, uint64_t now_ms) {
  if (lease != nullptr) {
    for (const Lease::Proven& proven : lease->proven) {
      if (!Equal(proven, capability, bytes)) continue;
      return now_ms < proven.not_after_ms && now_ms < lease->expires_at_ms && (proven.rights & kRead) != 0;
    }
  }
  // Checked for what does not exist as well, so that its answer takes as long.
  VerifiedCapability verified;
  if (!checker_.Verify(reference, capability, bytes, &verified) || lease == nullptr) return false;
  Lease::Proven proven{};
  std::copy_n(capability, bytes, proven.capability.begin());
  proven.capability_bytes = static_cast<uint8_t>(bytes);
  proven.rights = verified.rights;
  proven.not_after_ms = verified.not_after_ms;
  if (lease->proven.size() < Lease::kRemembered) {
    lease->proven.push_back(proven);
  } else {
    lease->proven[lease->next_proven++ % Lease::kRemembered] = proven;
  }
  return now_ms < verified.not_after_ms && now_ms < lease->expires_at_ms && (verified.rights & kRead) != 0;
}

bool LeaseTable::Unpin(Lease* lease, double* freed) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (--lease->pins > 0 || !lease->withdrawn) return false;
  *freed = lease->id;
  Forget(lease);
  const auto at = std::find_if(pinned_.begin(), pinned_.end(), [&](const auto& entry) { return entry.get() == lease; });
  if (at != pinned_.end()) pinned_.erase(at);
  return true;
}

void LeaseTable::Forget(Lease* lease) {
  if (lease->reads == 0) return;
  used_.push_back({lease->id, lease->reads, lease->read_bytes});
  read_.erase(std::remove(read_.begin(), read_.end(), lease), read_.end());
}

}  // namespace waybill::ucx
