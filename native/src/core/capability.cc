#include "core/capability.h"

#include <cstring>

namespace waybill {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kHeadBytes = 10;
// With the zero at its end.
constexpr char kContext[] = "waybill.v1.capability";
constexpr uint64_t kMaxSafeInteger = (uint64_t{1} << 53) - 1;

}  // namespace

bool CapabilityChecker::Verify(const ReferenceId& reference, const uint8_t* capability, size_t length,
                               VerifiedCapability* out) const {
  if (length < kMinCapabilityBytes || length > kMaxCapabilityBytes || capability[0] != kVersion) return false;
  const size_t count = capability[kHeadBytes];
  if (count > kMaxCaveats || length != kMinCapabilityBytes + count) return false;
  uint64_t not_after_ms = 0;
  for (size_t i = 2; i < kHeadBytes; i++) not_after_ms = not_after_ms << 8 | capability[i];
  if (not_after_ms > kMaxSafeInteger) return false;

  uint8_t message[sizeof(kContext) + kReferenceBytes + kHeadBytes];
  memcpy(message, kContext, sizeof(kContext));
  memcpy(message + sizeof(kContext), reference.data(), kReferenceBytes);
  memcpy(message + sizeof(kContext) + kReferenceBytes, capability, kHeadBytes);
  Tag tag = hmac_.Sign(message, sizeof(message));
  uint8_t rights = capability[1];
  const uint8_t* caveats = capability + kHeadBytes + 1;
  for (size_t i = 0; i < count; i++) {
    rights &= caveats[i];
    tag = Hmac(tag.data(), tag.size()).Sign(caveats + i, 1);
  }

  Tag claimed;
  memcpy(claimed.data(), caveats + count, claimed.size());
  if (!EqualTags(tag, claimed)) return false;
  *out = {rights, not_after_ms};
  return true;
}

}  // namespace waybill
