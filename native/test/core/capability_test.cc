#include "core/capability.h"

#include <cstring>
#include <random>
#include <vector>

#include "check.h"

namespace waybill {
namespace {

constexpr uint8_t kKey[32] = {7};

/// A capability as an owner issues it, restricted as its holders do it.
std::vector<uint8_t> Issue(const ReferenceId& reference, uint8_t rights, uint64_t not_after_ms,
                           const std::vector<uint8_t>& caveats) {
  std::vector<uint8_t> bytes = {1, rights};
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<uint8_t>(not_after_ms >> shift));
  std::vector<uint8_t> message;
  const char context[] = "waybill.v1.capability";
  message.insert(message.end(), context, context + sizeof(context));
  message.insert(message.end(), reference.begin(), reference.end());
  message.insert(message.end(), bytes.begin(), bytes.end());
  Tag tag = Hmac(kKey, sizeof(kKey)).Sign(message.data(), message.size());
  for (const uint8_t& caveat : caveats) tag = Hmac(tag.data(), tag.size()).Sign(&caveat, 1);
  bytes.push_back(static_cast<uint8_t>(caveats.size()));
  bytes.insert(bytes.end(), caveats.begin(), caveats.end());
  bytes.insert(bytes.end(), tag.begin(), tag.end());
  return bytes;
}

/// Checks a copy that ends where a buffer ends, so that the sanitizer sees what is read beyond it.
bool Good(const ReferenceId& reference, const std::vector<uint8_t>& capability, VerifiedCapability* out) {
  const std::vector<uint8_t> exact(capability);
  return CapabilityChecker(kKey).Verify(reference, exact.data(), exact.size(), out);
}

TEST("a capability allows what every restriction leaves") {
  const ReferenceId reference = {1, 2, 3};
  VerifiedCapability verified;
  CHECK(Good(reference, Issue(reference, 15, 1'000'000'000'000, {}), &verified));
  CHECK(verified.rights == 15 && verified.not_after_ms == 1'000'000'000'000);
  CHECK(Good(reference, Issue(reference, 15, 5, {7, 13, 1, 1, 1, 1, 1, 1}), &verified));
  CHECK(verified.rights == kRead && verified.not_after_ms == 5);
}

TEST("a capability with anything changed, cut or added is none") {
  const ReferenceId reference = {9};
  VerifiedCapability verified;
  const auto capability = Issue(reference, 15, 77, {3, 1});
  CHECK(Good(reference, capability, &verified));
  for (size_t bit = 0; bit < capability.size() * 8; bit++) {
    auto changed = capability;
    changed[bit / 8] ^= 1 << (bit % 8);
    CHECK(!Good(reference, changed, &verified));
  }
  for (size_t length = 0; length < capability.size(); length++) {
    CHECK(!Good(reference, {capability.begin(), capability.begin() + static_cast<long>(length)}, &verified));
  }
  CHECK(!Good({}, capability, &verified));
  CHECK(!Good(reference, Issue(reference, 15, uint64_t{1} << 53, {}), &verified));
  CHECK(!Good(reference, Issue(reference, 15, 77, std::vector<uint8_t>(9, 1)), &verified));
}

TEST("100,000 random messages are no capabilities, and nothing is read beyond them") {
  std::mt19937 random(1);
  VerifiedCapability verified;
  for (int i = 0; i < test::Times(100'000, 5'000); i++) {
    std::vector<uint8_t> bytes(random() % 70);
    for (auto& byte : bytes) byte = static_cast<uint8_t>(random());
    // A true head, so that the checks behind it are reached.
    if (bytes.size() > 10 && i % 2 == 0) {
      bytes[0] = 1;
      bytes[2] = bytes[3] = 0;
      bytes[10] = static_cast<uint8_t>(bytes.size() - 43);
    }
    CHECK(!Good({}, bytes, &verified));
  }
}

}  // namespace
}  // namespace waybill
