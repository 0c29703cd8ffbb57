// Checks capabilities as src/waybill/capability-format.ts defines them; a test compares the two.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/hmac.h"

namespace waybill {

constexpr size_t kReferenceBytes = 16;
constexpr size_t kMaxCaveats = 8;
constexpr size_t kMinCapabilityBytes = 43;
constexpr size_t kMaxCapabilityBytes = kMinCapabilityBytes + kMaxCaveats;

/// One bit each.
enum Rights : uint8_t { kRead = 1, kShare = 2, kTouch = 4, kRelease = 8 };

using ReferenceId = std::array<uint8_t, kReferenceBytes>;

/// What a good capability allows.
struct VerifiedCapability {
  /// The rights that are left.
  uint8_t rights = 0;
  /// When it ends for good, Unix milliseconds on the owner's clock.
  uint64_t not_after_ms = 0;
};

/// An owner's checker.
class CapabilityChecker {
 public:
  /// The owner's key, 32 bytes.
  explicit CapabilityChecker(const uint8_t* key) : hmac_(key, 32) {}

  /// Checks the chain of tags alone: neither the time nor a right. Safe from any thread.
  bool Verify(const ReferenceId& reference, const uint8_t* capability, size_t length, VerifiedCapability* out) const;

 private:
  Hmac hmac_;
};

}  // namespace waybill
