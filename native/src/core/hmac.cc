#include "core/hmac.h"

#include <cstring>

#include "check.h"

namespace waybill {
namespace {

constexpr size_t kBlockBytes = 64;

Tag Take(lzma_check_state* hash) {
  lzma_sha256_finish(hash);
  Tag tag;
  memcpy(tag.data(), hash->buffer.u8, tag.size());
  return tag;
}

}  // namespace

Tag Sha256(const uint8_t* message, size_t length) {
  lzma_check_state hash;
  lzma_sha256_init(&hash);
  lzma_sha256_update(message, length, &hash);
  return Take(&hash);
}

Hmac::Hmac(const uint8_t* key, size_t length) {
  uint8_t block[kBlockBytes] = {};
  if (length > kBlockBytes) {
    const Tag hashed = Sha256(key, length);
    memcpy(block, hashed.data(), hashed.size());
  } else if (length > 0) {
    memcpy(block, key, length);
  }
  uint8_t padded[kBlockBytes];
  for (State* state : {&inner_, &outer_}) {
    const uint8_t pad = state == &inner_ ? 0x36 : 0x5c;
    for (size_t i = 0; i < kBlockBytes; i++) padded[i] = block[i] ^ pad;
    lzma_check_state hash;
    lzma_sha256_init(&hash);
    lzma_sha256_update(padded, kBlockBytes, &hash);
    memcpy(state->words, hash.state.sha256.state, sizeof(state->words));
  }
}

Tag Hmac::Finish(const State& start, const uint8_t* message, size_t length) {
  lzma_check_state hash;
  memcpy(hash.state.sha256.state, start.words, sizeof(start.words));
  hash.state.sha256.size = kBlockBytes;
  lzma_sha256_update(message, length, &hash);
  return Take(&hash);
}

Tag Hmac::Sign(const uint8_t* message, size_t length) const {
  const Tag inner = Finish(inner_, message, length);
  return Finish(outer_, inner.data(), inner.size());
}

bool EqualTags(const Tag& a, const Tag& b) {
  // Volatile, so that no compiler turns it into a comparison that stops early.
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); i++) difference = difference | (a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace waybill
